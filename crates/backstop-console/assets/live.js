// Keeps open pages true: counts the time left, and loads the page again when something on it changed. Never
// while a passkey is being used or words are being written.
"use strict";

(() => {
  const span = (ms) => {
    const s = Math.max(0, Math.floor(ms / 1000));
    const two = (big, bigUnit, small, smallUnit) => (small ? `${big} ${bigUnit} ${small} ${smallUnit}` : `${big} ${bigUnit}`);
    if (s < 60) return `${s} s`;
    if (s < 3600) return two(Math.floor(s / 60), "min", s % 60, "s");
    if (s < 86400) return two(Math.floor(s / 3600), "h", Math.floor((s % 3600) / 60), "min");
    return two(Math.floor(s / 86400), "d", Math.floor((s % 86400) / 3600), "h");
  };

  const clocks = document.querySelectorAll("[data-until]");
  const tick = () => {
    for (const clock of clocks) clock.textContent = span(Number(clock.dataset.until) - Date.now());
  };
  if (clocks.length) {
    tick();
    setInterval(tick, 1000);
  }

  const shown = document.querySelector("[data-live]");
  const page = document.body.dataset.page;
  const hold = document.querySelector("[data-hold]");
  const follows = ["hold", "holds", "leases", "people", "points", "freeze"];
  let stale = false;

  const writing = () =>
    document.body.hasAttribute("data-busy") ||
    [...document.querySelectorAll("textarea, input:not([type=hidden])")].some((field) => field.value !== field.defaultValue);

  const concerns = (kind, id) => {
    if (kind === "everything") return true;
    if (page === "hold") return kind === "hold" && id === hold.dataset.hold;
    if (page === "holds") return kind === "hold";
    if (page === "leases") return kind === "lease" || kind === "hold";
    return page === kind && (kind === "people" || kind === "points");
  };

  const refresh = () => {
    if (!stale) return;
    if (writing()) {
      shown.textContent = "changed since it was loaded";
    } else {
      location.reload();
    }
  };

  let source = null;
  const listen = () => {
    if (source || document.hidden) return;
    source = new EventSource("/events");
    // How far the store is: further than when the page was made means that something was missed.
    source.addEventListener("hello", (event) => {
      if (event.data !== document.body.dataset.applied && follows.includes(page)) stale = true;
      if (!stale) shown.textContent = "live";
      refresh();
    });
    source.addEventListener("error", () => { shown.textContent = "not live"; });
    source.addEventListener("change", (event) => {
      const [kind, id] = event.data.split(" ");
      if (concerns(kind, id)) stale = true;
      refresh();
    });
  };

  // Loading the page again would cut off where somebody is just going.
  addEventListener("beforeunload", () => document.body.setAttribute("data-busy", ""));
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  // A hidden page keeps no connection open: browsers allow only six to one host.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      source?.close();
      source = null;
    } else {
      listen();
    }
  });
  addEventListener("pagehide", () => source?.close());
  listen();
})();
