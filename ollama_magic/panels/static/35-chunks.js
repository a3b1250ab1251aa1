// Long HTML in pieces that the browser lays out, and the typesetter sets, only when they come near the view: one piece
// after another, so that the page can do something else in between.

const CHUNK = "om-chunk tex2jax_ignore mathjax_ignore";
const CHUNK_NODES = 24;
const CHUNK_FORMULAS = 16;
const FORMULA = ".mathjax_process";

/** `html` as elements of a bounded number of blocks, and of formulas, each. */
function chunksOf(html) {
  const chunks = [];
  const whole = h("div", {});
  setHtml(whole, html);
  let chunk = null;
  let formulas = 0;
  for (const node of [...whole.childNodes]) {
    const more = node.querySelectorAll?.(FORMULA).length ?? 0;
    if (!chunk || chunk.childNodes.length >= CHUNK_NODES || (formulas > 0 && formulas + more > CHUNK_FORMULAS)) {
      chunks.push((chunk = h("div", { class: CHUNK })));
      formulas = 0;
    }
    chunk.append(node);
    formulas += more;
  }
  return chunks;
}

/** Typesets the maths of what it watches, once, when that comes near the view of `box`. */
function createTypesetter(model, box) {
  const near = [];
  let timer = 0;
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (isIntersecting) {
          observer.unobserve(target);
          near.push(target);
        }
      }
      timer ||= setTimeout(next, 0);
    },
    { root: box, rootMargin: "400px" },
  );

  function next() {
    const node = near.shift();
    timer = near.length > 0 ? setTimeout(next, 0) : 0;
    if (node?.isConnected) typeset(model, node);
  }

  return {
    watch(node) {
      if (node.querySelector(FORMULA)) observer.observe(node);
    },
    close() {
      observer.disconnect();
      clearTimeout(timer);
    },
  };
}
