"""Models and steps of the tests that generate in a browser."""

TINY = "llama-mini~n_layers=1~d_model=48~d_ff=64~d_head=8~vocab_size=300~max_seq_len=256"
SLOW = "llama-mini~n_layers=7"
SLOWEST = "llama-mini~n_layers=60"  # 500 tokens take longer than any page to load
WIDE = "llama-mini~n_layers=1~d_model=8~d_ff=8~n_heads=1~n_kv_heads=1~d_head=8~attention=mha~vocab_size=50257"


def generate(page) -> None:
    """Presses Generate and waits for the end of the text."""
    page.evaluate("document.querySelector('.generate-live').textContent = ''")
    page.click("#generate-run")
    page.wait_for_function("document.querySelector('.generate-live').textContent")
    page.wait_for_selector("#generate-stop:disabled", state="attached")
