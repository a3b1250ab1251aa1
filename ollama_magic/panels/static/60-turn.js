// One turn: what was asked, and the answer as it grows. Finished chunks are put in once and never touched again; only
// the live tail is replaced. So the work for each message is bounded, whatever the length of the answer.

const LIVE_STATES = ["waiting", "streaming"];

/** `given` is the turn as the kernel has it; `typesetter` sets the maths of what it has finished. */
function createTurn(given, typesetter) {
  const user = h("div", { class: "om-user" });
  const extras = h("div", { class: "om-extras" });
  const notices = h("div", { class: "om-notices" });
  const thinking = createThinking();
  const chunks = h("div", { class: "om-chunks" });
  const tail = h("div", { class: `${CHUNK} om-tail` });
  const marks = h("div", { class: "om-marks" });
  const problem = h("div", { class: "om-error", hidden: true });
  const phase = h("div", { class: "om-phase", hidden: true });
  const footer = h("span", { class: "om-footer" });
  const actions = h("span", { class: "om-actions" });
  const heard = (text) => h("span", { class: "om-hidden" }, text);
  const root = h(
    "article",
    { class: "om-turn", "data-turn": given.id },
    h("div", { class: "om-asked" }, heard("You: "), user, extras),
    h("div", { class: "om-answer" }, heard("Answer: "), notices, thinking.root, chunks, tail, marks, problem, phase),
    h("div", { class: "om-foot" }, footer, actions),
  );
  const turn = { root, id: given.id, state: "", text: "", user: "", canRetry: false };
  let html = ""; // what is in `chunks`
  let live = ""; // what is in `tail`
  let drawn = "";

  /** The whole turn, as the kernel has it. */
  turn.show = (now) => {
    turn.state = now.state;
    turn.text = now.text;
    turn.user = now.user;
    turn.canRetry = now.can_retry;
    setText(user, now.user);
    showExtras(now);
    showLines(notices, now.notices);
    showHtml(now.html, now.tail_html);
    thinking.show(now.thinking, now.thinking_html);
    // An error is told once, and in the box that says what to do.
    showLines(marks, now.error ? now.marks.filter((mark) => !mark.includes(now.error.message)) : now.marks);
    problem.hidden = !now.error;
    if (now.error) problem.replaceChildren(...errorLines(now.error));
    showPhase(turn.isLive() ? now.phase || "waiting…" : "");
    setText(footer, now.footer);
    root.dataset.state = now.state;
    root.setAttribute("aria-busy", turn.isLive() ? "true" : "false");
  };

  /** What came since the last message. */
  turn.add = (delta) => {
    if (delta.restart) showHtml("", "");
    html += delta.done_html;
    append(delta.done_html);
    showTail(delta.tail_html);
    thinking.show(delta.thinking, "");
    showLines(notices, delta.notices);
    showPhase(delta.phase);
    turn.state = "streaming";
  };

  turn.isLive = () => LIVE_STATES.includes(turn.state);

  /** Which buttons it has; `isLast`: nothing was asked after it. */
  turn.offer = (isLast) => {
    const again = isLast && turn.canRetry ? ["Retry", "Edit"] : [];
    const wanted = turn.isLive() ? [] : [...(turn.text ? ["Copy", "Insert as cell"] : []), ...again];
    root.classList.toggle("om-last", isLast);
    if (wanted.join() === drawn) return;
    drawn = wanted.join();
    const focused = actions.contains(document.activeElement) ? document.activeElement.dataset.act : null;
    actions.replaceChildren(
      ...wanted.map((label) => h("button", { type: "button", class: "om-button om-quiet", "data-act": label }, label)),
    );
    if (focused) actions.querySelector(`[data-act="${focused}"]`)?.focus();
  };

  /** All of it; what is there already stays: the end of an answer is what had come, and the tail. */
  function showHtml(whole, tailHtml) {
    if (whole !== html) {
      const known = whole.startsWith(html) ? html.length : 0;
      if (!known) chunks.replaceChildren();
      append(whole.slice(known));
      html = whole;
    }
    showTail(tailHtml);
  }

  function append(piece) {
    const added = chunksOf(piece);
    chunks.append(...added);
    added.forEach(typesetter.watch);
  }

  /** What is still being written; its maths is set when it is finished. */
  function showTail(piece) {
    if (piece !== live) setHtml(tail, piece);
    live = piece;
  }

  function showExtras(now) {
    const names = [...now.attached];
    if (now.pictures) names.push(now.pictures === 1 ? "1 picture" : `${now.pictures} pictures`);
    extras.replaceChildren(...names.map((name) => h("span", { class: "om-badge" }, name)));
  }

  function showPhase(text) {
    phase.hidden = !text;
    setText(phase, text);
  }

  turn.show(given);
  return turn;
}

function showLines(box, lines) {
  if (box.childElementCount === lines.length && lines.every((line, n) => box.children[n].textContent === line)) return;
  box.replaceChildren(...lines.map((line) => h("div", {}, line)));
}

/** The model's reasoning, folded: its end while it comes, all of it when the answer is there. */
function createThinking() {
  const title = h("summary", {}, "Thinking");
  const text = h("div", { class: "om-thinking-text" });
  const root = h("details", { class: "om-thinking", hidden: true }, title, text);
  let shown = "";

  function show({ words, tail }, html) {
    root.hidden = !words && !html;
    if (html) {
      if (html === shown) return;
      shown = html;
      setHtml(text, html);
      // The kernel's HTML is folded itself; what is inside goes into the fold that is here, open or not.
      const inner = text.querySelector(":scope > details");
      setText(title, inner?.querySelector("summary")?.textContent ?? "Thinking");
      inner?.querySelector("summary")?.remove();
      inner?.replaceWith(...inner.childNodes);
    } else if (words) {
      shown = "";
      setText(title, `Thinking… ${words} ${words === 1 ? "word" : "words"}`);
      setText(text, tail);
    }
  }

  return { root, show };
}
