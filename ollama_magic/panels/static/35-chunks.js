// Long HTML in pieces that the browser lays out, and the typesetter sets, only when they come near the view.

const CHUNK = "om-chunk tex2jax_ignore mathjax_ignore";
const CHUNK_NODES = 24;

/** `html` as elements of a bounded number of blocks each. */
function chunksOf(html) {
  const chunks = [];
  const whole = h("div", {});
  setHtml(whole, html);
  let chunk = null;
  for (const node of [...whole.childNodes]) {
    if (!chunk || chunk.childNodes.length >= CHUNK_NODES) chunks.push((chunk = h("div", { class: CHUNK })));
    chunk.append(node);
  }
  return chunks;
}

/** Typesets the maths of what it watches, once, when that comes near the view of `box`. */
function createTypesetter(model, box) {
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (isIntersecting) {
          observer.unobserve(target);
          typeset(model, target);
        }
      }
    },
    { root: box, rootMargin: "400px" },
  );
  return {
    watch(node) {
      if (node.querySelector(".mathjax_process")) observer.observe(node);
    },
    close: () => observer.disconnect(),
  };
}
