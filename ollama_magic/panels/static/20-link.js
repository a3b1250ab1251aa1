// The line to the kernel: all that is asked is acknowledged, and what is not within PATIENCE_MS is told to the reader.
//
// Where messages are handled between cells, no answer means a running cell. It means a lost panel when the kernel was
// restarted, because a new one knows nothing of this panel; the front end tells when that happens. A page that was
// loaded later cannot know which of the two it is. (Whether the kernel is idle does not help: with subshells its status
// is that of whichever thread spoke last.)

const PATIENCE_MS = 2000;
const RESTARTED = {
  message: "The kernel was restarted: run this cell again.",
  hint: "What is typed here stays until then.",
};

/**
 * `onShow(message)` gets what the kernel shows. `onState` gets "live", "busy" (asked and not taken yet), "silent" (the
 * same, and never heard of), "away" (the page has no connection) or "gone" (the kernel was restarted).
 * `ask(word, fields, buffers)` resolves when the kernel has taken it, and rejects with {message, hint}.
 */
function createLink(model, onShow, onState) {
  const view = `v${uniqueBase}${Math.random().toString(36).slice(2, 8)}`;
  const pending = new Map();
  let count = 0;
  let state = "";
  let heard = false;
  const kernel = () => model.widget_manager?.kernel ?? null;

  function enter(next) {
    if (state === next) return;
    state = next;
    onState(next);
  }

  function ask(word, fields = {}, buffers = []) {
    count += 1;
    const id = count;
    return new Promise((resolve, reject) => {
      pending.set(id, { resolve, reject, since: performance.now() });
      try {
        model.send({ id, view, do: word, ...fields }, undefined, buffers);
      } catch {
        lose();
      }
    });
  }

  function lose() {
    enter("gone");
    for (const [id, waiting] of pending) {
      pending.delete(id);
      waiting.reject(RESTARTED);
    }
  }

  function take(message) {
    // The kernel's messages reach every view of the model, also those in other tabs.
    if (message.to !== undefined && message.to !== view) return;
    heard = true;
    if (message.ack !== undefined) {
      const waiting = pending.get(message.ack);
      pending.delete(message.ack);
      if (waiting && message.error) waiting.reject(message.error);
      else waiting?.resolve();
    }
    if (message.show !== undefined) onShow(message);
    if (state !== "live" && !overdue()) enter("live");
  }

  const overdue = () => {
    const limit = performance.now() - PATIENCE_MS;
    return [...pending.values()].some((waiting) => waiting.since < limit);
  };

  function look() {
    if (state === "gone" || !overdue()) return;
    const connection = kernel()?.connectionStatus ?? "connected";
    if (connection !== "connected") enter("away");
    else enter(heard ? "busy" : "silent");
  }

  function statusChanged(_sender, status) {
    if (["restarting", "autorestarting", "dead", "terminating"].includes(status)) lose();
  }

  const watcher = setInterval(look, 500);
  const watched = kernel();
  watched?.statusChanged?.connect(statusChanged);
  model.on("msg:custom", take);

  return {
    ask,
    close() {
      clearInterval(watcher);
      watched?.statusChanged?.disconnect(statusChanged);
      model.off("msg:custom", take);
      try {
        model.send({ id: count + 1, view, do: "gone" });
      } catch {
        // No kernel that could care.
      }
      for (const waiting of pending.values()) waiting.reject({ message: "The panel was closed.", hint: "" });
      pending.clear();
    },
  };
}
