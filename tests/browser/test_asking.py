"""What views that ask the server have in common, by itself: on an empty page, without the playground around it."""

from playground.shell import STATIC

# The place comes into the document out of sight, is shown below what the window shows, and is scrolled to at last.
TWO_MODELS = """async () => {
  const acted = [];
  const place = document.createElement('div');
  Object.assign(place.style, { marginTop: '5000px', height: '10px' });
  place.hidden = true;
  document.body.append(place);
  const take = (detail) => dispatchEvent(new CustomEvent('lineage:model', { detail }));
  Asking.onModel(place, (design) => acted.push(design));
  take('first');
  place.hidden = false;
  take('second');
  place.scrollIntoView();
  const looked = (done) => ([{ isIntersecting }]) => isIntersecting && done();
  await new Promise((done) => new IntersectionObserver(looked(done)).observe(place));
  return acted;
}"""


def test_a_model_that_was_taken_while_nobody_looked_does_not_come_back(chromium):
    page = chromium.new_page()
    page.evaluate("window.lineage = {}")
    page.add_script_tag(content=(STATIC / "asking.js").read_text() + "window.Asking = Asking;")
    assert page.evaluate(TWO_MODELS) == ["second"]
    page.close()
