"""Figure (c) of a mixture of experts: a router, the experts of which a token uses some, and what every token uses."""

from collections.abc import Callable

from models.sizes import StackSizes
from playground.views import counts
from playground.views.diagram_words import Words, count_of
from playground.views.mask_picture import drawn, grid
from playground.views.numbers import exact, short
from playground.views.svg import Drawing, Marks

WIDTH = 400
LEFT, RIGHT = 6, 394
TOKEN = 20  # x of the path on which the tokens themselves go
BESIDE = 40  # left edge of what only scores them
SHARED = 126  # width of what every token uses, at the right
APART = 14
MOST_EXPERTS = 2048  # up to so many are drawn
MOST_ROWS, HIGH = 32, 96  # rows of groups, and height of the picture of all experts
CELLS = (24, 20, 16, 12, 10, 8, 6, 5, 4, 3)


def experts(stack: StackSizes, marks: Marks, lang: str) -> str:
    """The SVG of one layer of experts."""
    return _Experts(stack, marks, lang).draw()


class _Experts:
    """Draws from top to bottom; `y` is where the next row begins. `edge` is the right edge of router and experts."""

    def __init__(self, stack: StackSizes, marks: Marks, lang: str):
        self.stack, self.cfg, self.moe = stack, stack.cfg, stack.cfg.moe
        self.words = Words(stack.cfg, lang)
        self.say, self.on = self.words.say, Drawing(WIDTH, marks)
        self.for_all: list[Callable[[float], float]] = []
        if self.moe.expert == "lora":
            self.for_all.append(self._base)
        if self.moe.n_shared_experts:
            self.for_all.append(self._shared)
        self.edge = RIGHT - SHARED - APART if self.for_all else RIGHT
        self.y = 0.0

    @property
    def centre(self) -> float:
        return (BESIDE + self.edge) / 2

    def draw(self) -> str:
        self._input()
        start = self.y
        self._router()
        self._picture()
        self._each()
        bottom = max(self.y, self._beside(start) if self.for_all else 0)
        self._sum(bottom)
        return self.on.svg(self.y + 4, "experts", self._description())

    def _input(self) -> None:
        self.on.text(TOKEN + 10, 13, f"(B, T, {exact(self.cfg.d_model)})", "dims")
        self.on.line((TOKEN, 0), (TOKEN, 22), (self.centre, 22), (self.centre, 38))
        self.on.dot(TOKEN, 22)
        if self.for_all:
            right = RIGHT - SHARED / 2
            self.on.dot(self.centre, 22)
            self.on.line((self.centre, 22), (right, 22), (right, 38))
        self.y = 38

    def _box(self, key: str, kind: str, left: float, right: float, title: str, details, count=("", "")) -> None:
        width = right - left
        if details and count[0] and not self.on.has_room(width, details[-1], count[0]):
            details = (*details, "")
        height = 17.0 + 15 * (1 + len(details))
        self.on.box(key, kind, (left, self.y, width, height), title, details, *count)
        self.y += height

    # The router

    def _router(self) -> None:
        moe = self.moe
        if moe.mixing == "slots":
            title = self.say("slots_dispatch")
            lines = (self.say("slots_many", experts=moe.n_experts, slots=moe.slots_per_expert), self.say("slots_mean"))
        else:
            title = self.say("router")
            scores = self.say("router_scores", d_model=self.cfg.d_model, experts=moe.n_experts)
            lines = (self.say("router_mean"),) if moe.mixing == "merged" else ()
            lines += (scores, self.say(f"router_{moe.router}"))
        lines += tuple(self._rules())
        self._box("router", "expert", BESIDE, self.edge, title, lines, count_of(counts.router(self.cfg)))

    def _rules(self) -> list[str]:
        """What else decides the choice and the weights, one line each."""
        moe, rules = self.moe, []
        if moe.n_groups:
            rules.append(self.say(f"groups_{moe.group_score}", open=moe.n_groups_per_token, groups=moe.n_groups))
        if moe.bias_update_rate is not None:
            rules.append(self.say("router_bias"))
        if moe.capacity is not None:
            rules.append(self.say("router_capacity", capacity=moe.capacity))
        if moe.mixing == "routed":
            key = "weights_sum" if moe.normalise_weights else "weights_plain"
            scale = "_scaled" if moe.weight_scale != 1.0 else ""
            rules.append(self.say(key + scale, scale=moe.weight_scale))
        return rules

    # The experts

    def _picture(self) -> None:
        """A cell for each expert; those that one token goes to, for example, are filled."""
        moe, on = self.moe, self.on
        on.line((self.centre, self.y), (self.centre, self.y + 14))
        self.y += 14
        shown = min(moe.n_experts, MOST_EXPERTS)
        per_row, cell = self._cells(shown)
        chosen = self._chosen(shown)
        left = max(BESIDE, self.centre - per_row * cell / 2)
        starts = range(0, shown, per_row)
        rows = [[index in chosen for index in range(start, min(start + per_row, shown))] for start in starts]
        grouped = moe.n_groups is not None and per_row * moe.n_groups == shown
        pitch = cell + (1.5 if grouped else 0)
        whole = [] if grouped else [row for row in rows if len(row) == per_row]
        markup = grid(whole, left, self.y, cell) if whole else ""
        for number, row in enumerate(rows[len(whole) :], start=len(whole)):
            closed = ' class="closed"' if grouped and number not in self._open_groups() else ""
            markup += f"<g{closed}>{grid([row], left, self.y + number * pitch, cell)}</g>"
        height = len(rows) * pitch
        on.picture("experts", "expert", (left, self.y, per_row * cell, height), markup)
        if shown < moe.n_experts:
            on.text(self.edge, self.y + height, "…", "part", to_end=True)
        self.y += height + 15
        on.text(BESIDE, self.y, self._picture_words(), "note", room=self.edge - BESIDE)
        self.y += 8

    def _cells(self, shown: int) -> tuple[int, float]:
        """How many experts stand in a row, and how large each is: groups have a row each where they are not too many."""
        dots = 16 if shown < self.moe.n_experts else 0
        room, groups = self.edge - BESIDE - dots, self.moe.n_groups or 1
        if 1 < groups <= MOST_ROWS and shown == self.moe.n_experts:
            per_row = shown // groups
            if per_row * CELLS[-1] <= room:
                return per_row, min(12, room / per_row, HIGH / groups)
        for cell in CELLS:
            per_row = int(room // cell)
            if -(-shown // per_row) * cell <= HIGH:
                break
        return min(per_row, shown), cell

    def _chosen(self, shown: int) -> set[int]:
        moe = self.moe
        if moe.uses_all:
            return set(range(shown))
        candidates = range(shown)
        if moe.n_groups:
            size, groups = moe.n_experts // moe.n_groups, self._open_groups()
            candidates = [index for index in range(shown) if index // size in groups]
        return set(drawn(moe.n_experts_per_token, 0, 0, candidates))

    def _open_groups(self) -> list[int]:
        """The groups that one token may choose from, for example."""
        return drawn(self.moe.n_groups_per_token, 1, 0, range(self.moe.n_groups))

    def _picture_words(self) -> str:
        moe = self.moe
        if moe.mixing == "slots":
            return self.say("picture_slots", experts=moe.n_experts, slots=moe.slots_per_expert)
        key = "picture_merged" if moe.mixing == "merged" else "picture_all" if moe.uses_all else "picture_chosen"
        return self.say(key, chosen=moe.n_experts_per_token, experts=moe.n_experts)

    def _each(self) -> None:
        """One expert's inside, which is the same for all."""
        cfg, moe, on = self.cfg, self.moe, self.on
        on.line((self.centre, self.y), (self.centre, self.y + 14))
        self.y += 14
        on.line((TOKEN, 22), (TOKEN, self.y))
        one = counts.expert(cfg)
        count = (f"{exact(moe.n_experts)} × {short(one)}", f"{exact(moe.n_experts)} × {exact(one)}")
        if moe.expert == "lora":
            title, lines = self.say("expert_lora"), (self.say("lora_rank", rank=moe.lora_rank),)
        else:
            title = self.say("expert_merged" if moe.mixing == "merged" else f"expert_{cfg.ffn}")
            lines = (self.words.activation(), self.words.widths(moe.d_expert))
        self._box("experts", "expert", LEFT, self.edge, title, lines, count)

    # What every token uses

    def _beside(self, start: float) -> float:
        """The boxes at the right, from `start` down; gives where they end."""
        end = self.y
        self.y = start
        for number, part in enumerate(self.for_all):
            if number:
                self.y += 14
            part(RIGHT - SHARED)
        self.beside_end, self.y = self.y, end
        return self.beside_end

    def _shared(self, left: float) -> None:
        moe, cfg = self.moe, self.cfg
        lines = (self.say("shared_always"), *self._in_lines(moe.n_shared_experts * moe.d_expert))
        title = self.say("shared_many" if moe.n_shared_experts > 1 else "shared_one", count=moe.n_shared_experts)
        self._box("shared", "expert", left, RIGHT, title, lines, count_of(counts.shared_experts(cfg)))

    def _base(self, left: float) -> None:
        lines = (self.words.activation(), *self._in_lines(self.cfg.d_ff))
        self._box(
            "base", "ffn", left, RIGHT, self.say("lora_base"), lines, count_of(counts.dense(self.cfg, self.cfg.d_ff))
        )

    def _in_lines(self, width: int) -> tuple[str, ...]:
        d_model = exact(self.cfg.d_model)
        return (d_model, f"→ {exact(width)}", f"→ {d_model}")

    # The sum

    def _sum(self, bottom: float) -> None:
        on, moe = self.on, self.moe
        middle = (LEFT + self.edge) / 2
        key = "sum_slots" if moe.mixing == "slots" else "sum_merged" if moe.mixing == "merged" else "sum_routed"
        on.line((middle, self.y), (middle, self.y + 14))
        self.y += 14
        on.box("sum", "expert", (LEFT, self.y, self.edge - LEFT, 28), self.say(key))
        self.y += 28
        joined = max(self.y, bottom) + 22
        if self.for_all:
            right = RIGHT - SHARED / 2
            on.line((middle, self.y), (middle, joined - 9))
            on.line((right, self.beside_end), (right, joined), (middle + 9, joined))
            on.join(middle, joined)
            on.line((middle, joined + 9), (middle, joined + 27))
            self.y = joined + 27
        else:
            on.line((middle, self.y), (middle, self.y + 20))
            self.y += 20

    def _description(self) -> str:
        shared = self.say("alt_shared", count=self.moe.n_shared_experts) if self.moe.n_shared_experts else ""
        base = self.say("alt_base") if self.moe.expert == "lora" else ""
        return self.say(
            "alt_inside_experts",
            mixture=self._picture_words(),
            router=self.say(f"router_{self.moe.router}"),
            width=self.moe.d_expert if self.moe.expert == "ffn" else self.cfg.d_ff,
            rest=shared + base,
        )
