// The conversation: a log of turns that keeps its place. It follows the answer while the reader is at its end, and
// stays where the reader is otherwise.

const NEAR_END_PX = 40;
const TOUCHED_MS = 1000; // how long a page may take to scroll after a key or a wheel
const ENDINGS = { stopped: "Stopped.", failed: "The answer failed.", done: "The answer is complete." };

function createConversation(panel, composer) {
  const list = h("div", { class: "om-turns" });
  const log = h(
    "div",
    { class: "om-log", role: "log", "aria-live": "off", "aria-label": "Conversation", tabindex: "0" },
    list,
  );
  const empty = h(
    "div",
    { class: "om-empty" },
    h("p", {}, "Nothing has been asked in this thread."),
    h("p", {}, "{df} in a prompt puts in the variable df. Cells join in with ", h("code", {}, "%%ollama --thread NAME"), "."),
  );
  const toEnd = button("↓ Latest", jump, { class: "om-button om-to-end", hidden: true });
  const root = h("div", { class: "om-log-box" }, log, toEnd);
  let turns = [];
  let thread = null;
  let following = true;
  let top = 0;

  // Only the reader leaves the end. A scroll event comes also when the panel gets another width or a chunk its height.
  let touched = 0;
  for (const kind of ["wheel", "touchmove", "keydown"]) {
    log.addEventListener(kind, () => (touched = performance.now()), { passive: true });
  }
  log.addEventListener("pointerdown", (event) => {
    // The scroll bar: nothing tells when it is let go.
    if (event.target === log) touched = Infinity;
  });
  log.addEventListener("scroll", () => {
    if (log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END_PX) {
      following = true;
      toEnd.hidden = true;
      if (touched === Infinity) touched = performance.now();
    } else if (log.scrollTop < top && performance.now() - touched < TOUCHED_MS) following = false;
    top = log.scrollTop;
  });
  // After the browser's own layout, so that nothing has to be laid out twice.
  const growth = new ResizeObserver(() => {
    if (following) log.scrollTop = log.scrollHeight;
    else toEnd.hidden = !turns.at(-1)?.isLive();
  });
  growth.observe(list);
  growth.observe(log);
  log.addEventListener("click", (event) => {
    const act = event.target.closest("[data-act]");
    const turn = act && find(act.closest(".om-turn").dataset.turn);
    if (turn) void actions[act.dataset.act](turn);
  });

  const actions = {
    async Copy(turn) {
      panel.tell((await copyText(turn.text)) ? "Copied." : "The browser does not let this page copy.");
    },
    "Insert as cell": (turn) => panel.request("insert", { turn: turn.id }),
    async Retry(turn) {
      composer.focus();
      await panel.request("retry", { turn: turn.id });
    },
    Edit: async (turn) => composer.edit(turn.id, turn.user),
  };

  const typesetter = createTypesetter(panel.model, log);
  const find = (id) => turns.find((turn) => turn.id === id);

  function jump() {
    following = true;
    toEnd.hidden = true;
    log.scrollTop = log.scrollHeight;
    log.focus();
  }

  /** The kernel's turns in the place of all after the first `keep`; those that are here already are kept. */
  function showTurns({ thread: name, keep, turns: given }) {
    const another = name !== thread;
    thread = name;
    const dropped = new Map(turns.slice(keep).map((turn) => [turn.id, turn]));
    const added = given.map((each) => {
      const known = dropped.get(each.id);
      dropped.delete(each.id);
      if (!known) return createTurn(each, typesetter);
      known.show(each);
      return known;
    });
    // A turn that was just asked is what the reader wants to see.
    if (another || added.some((turn) => turn.isLive() && !turn.root.isConnected)) following = true;
    for (const turn of dropped.values()) turn.root.remove();
    if (keep > 0) turns.at(keep - 1)?.offer(false);
    turns = [...turns.slice(0, keep), ...added];
    for (const turn of added) if (turn.root.parentNode !== list) list.append(turn.root);
    for (const turn of added) turn.offer(turn === turns.at(-1));
    if (turns.length === 0) list.replaceChildren(empty);
    else empty.remove();
    composer.streaming(turns.at(-1)?.isLive() ?? false);
  }

  function showTurn({ turn: given }) {
    const turn = find(given.id);
    if (!turn) return;
    const wasLive = turn.isLive();
    turn.show(given);
    turn.offer(turn === turns.at(-1));
    composer.streaming(turns.at(-1).isLive());
    if (wasLive && !turn.isLive()) panel.whisper(ENDINGS[turn.state]);
  }

  function showDelta(delta) {
    find(delta.turn)?.add(delta);
  }

  function close() {
    growth.disconnect();
    typesetter.close();
  }

  return { root, showTurns, showTurn, showDelta, close };
}
