"use strict";
(() => {
  const $ = (selector, of = document) => of.querySelector(selector);
  const $$ = (selector, of = document) => [...of.querySelectorAll(selector)];
  const later = (f, ms) => { let t; return (...a) => { clearTimeout(t); t = setTimeout(() => f(...a), ms); }; };
  const text = async (href, options) => {
    const r = await fetch(href, options);
    if (!r.ok) throw new Error(await r.text());
    return r;
  };

  // The list of runs: it filters as one types, follows what changes, and loads as one scrolls.
  const list = () => {
    const form = $("#filter"), table = $("#runs"), count = $("#count"), compare = $("#compare");
    if (!form) return;
    const chosen = new Set();
    const tick = () => {
      for (const c of $$("input[name=run]")) c.checked = chosen.has(c.value);
      compare.textContent = chosen.size ? "Compare " + chosen.size : "Compare";
      compare.disabled = chosen.size === 0;
    };
    tick();
    if (!table) return;
    const body = table.tBodies[0];
    let busy = null;
    const query = () => new URLSearchParams(new FormData(form));
    const seen = new IntersectionObserver((entries) => { if (entries.some((e) => e.isIntersecting)) more(); }, { rootMargin: "600px" });
    const watch = () => { const row = $("tr.more", body); seen.disconnect(); if (row) seen.observe(row); };
    const more = async () => {
      const row = $("tr.more", body);
      if (!row || busy) return;
      busy = new AbortController();
      try {
        const r = await text($("a", row).href, { signal: busy.signal });
        row.insertAdjacentHTML("afterend", await r.text());
        row.remove();
      } catch (e) { if (e.name !== "AbortError") return; } finally { busy = null; }
      tick();
      watch();
    };
    const say = (n) => { count.textContent = n + " of " + table.dataset.total + (Number(table.dataset.unread) ? ", reading " + table.dataset.unread : ""); };
    const show = async (keep) => {
      if (busy) busy.abort();
      const mine = busy = new AbortController();
      const q = query();
      if (keep) q.set("until", body.rows.length);
      const focus = document.activeElement && document.activeElement.closest("#runs tr") && document.activeElement.closest("tr").id;
      const kind = focus && document.activeElement.tagName;
      try {
        const r = await text("/rows?" + q, { signal: mine.signal });
        const html = await r.text();
        if (mine.signal.aborted) return;
        body.innerHTML = html;
        say(r.headers.get("X-Shown"));
      } catch (e) { return; } finally { if (busy === mine) busy = null; }
      tick();
      watch();
      const row = focus && document.getElementById(focus);
      if (row) $(kind, row).focus({ preventScroll: true });
      if (!keep) {
        q.delete("until");
        history.replaceState(null, "", "/?" + q);
        for (const a of $$("thead a", table)) {
          const u = new URL(a.href);
          for (const name of ["q", "state", "kind"]) q.get(name) ? u.searchParams.set(name, q.get(name)) : u.searchParams.delete(name);
          a.href = u;
        }
      }
    };
    form.addEventListener("input", later(() => show(false), 150));
    form.addEventListener("submit", (e) => { if (e.submitter !== compare) { e.preventDefault(); show(false); } });
    body.addEventListener("change", (e) => {
      if (e.target.name !== "run") return;
      e.target.checked ? chosen.add(e.target.value) : chosen.delete(e.target.value);
      tick();
    });
    $("#pick").addEventListener("submit", (e) => { // also those that a filter hides
      e.preventDefault();
      if (chosen.size) location.href = "/compare?" + [...chosen].map((c) => "run=" + encodeURIComponent(c)).join("&");
    });
    table.addEventListener("keydown", (e) => { // up and down go from run to run
      const row = e.target.closest("tbody tr");
      if (!row || (e.key !== "ArrowDown" && e.key !== "ArrowUp")) return;
      const to = e.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling;
      const same = to && (to.querySelector(e.target.tagName) || to.querySelector("a"));
      if (same) { e.preventDefault(); same.focus(); }
    });
    document.addEventListener("keydown", (e) => {
      if (e.key === "/" && !e.target.closest("input, select, textarea")) { e.preventDefault(); form.q.focus(); }
    });
    watch();
    const source = new EventSource("/events?version=" + table.dataset.version);
    source.addEventListener("list", (e) => {
      const n = JSON.parse(e.data);
      Object.assign(table.dataset, { unread: n.unread, total: n.total });
      show(true);
    });
    addEventListener("pagehide", () => source.close());
  };

  // The page of a run: curves that grow, progress, and parts that are loaded again.
  const run = () => {
    const page = $("#run");
    if (!page) return;
    const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const plots = [];
    let data = null, source = null;
    const columns = ["epoch", "val", "train", "val_loss", "train_loss", "seconds", "lr"];
    const names = { val: "validation", train: "training", val_loss: "validation", train_loss: "training", seconds: "seconds", lr: "rate" };
    const number = (v) => v == null ? "" : Math.abs(v) >= 1e5 || (v !== 0 && Math.abs(v) < 1e-3) ? v.toExponential(2) : String(Number(v.toPrecision(4)));
    const percent = (v) => v == null ? "" : Number((100 * v).toFixed(2)) + "%";
    const value = (host) => host.dataset.text === "metric" && /^(accuracy|error_rate)$/.test(data.metric) ? percent : number;
    const draw = () => {
      for (const p of plots.splice(0)) p.u.destroy();
      for (const host of $$(".plot", page)) {
        const keys = host.dataset.columns.split(",");
        const write = value(host);
        const strokes = [color("--done"), color("--best")];
        const axis = { stroke: color("--soft"), grid: { stroke: color("--grid"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
        const u = new uPlot({
          width: host.clientWidth, height: host.closest(".low") ? 150 : 230, cursor: { y: false, focus: { prox: 30 } },
          scales: { x: { time: false } }, legend: { live: true },
          axes: [{ ...axis, size: 30, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000] },
            { ...axis, size: 62, values: (_, vs) => vs.map(write) }],
          series: [{ label: "epoch" }, ...keys.map((k, i) => ({
            label: names[k], stroke: strokes[i], width: 1.8, dash: i ? [5, 3] : undefined, value: (_, v) => write(v), points: { show: () => data.epoch.length < 40, size: 5 },
          }))],
        }, [data.epoch, ...keys.map((k) => data[k])], host);
        plots.push({ u, keys, host });
        label(host, keys);
      }
    };
    const label = (host, keys) => {
      const write = value(host), end = data.epoch.length - 1;
      const title = document.getElementById(host.getAttribute("aria-labelledby"));
      if (host.dataset.text === "metric") title.textContent = data.metric.replaceAll("_", " ");
      host.removeAttribute("aria-labelledby");
      host.setAttribute("aria-labelledby", title.id);
      host.setAttribute("aria-description", end < 0 ? "no epoch yet" : "epoch " + data.epoch[end] + ": " + keys.map((k) => names[k] + " " + write(data[k][end])).join(", "));
    };
    const add = (points) => {
      const first = points.epoch[0];
      if (data.epoch.length === 0 && points.metric) data.metric = points.metric;
      let keep = data.epoch.findIndex((e) => e >= first); // before an interruption
      if (keep < 0) keep = data.epoch.length;
      for (const c of columns) data[c] = data[c].slice(0, keep).concat(points[c]);
      for (const p of plots) {
        p.u.setData([data.epoch, ...p.keys.map((k) => data[k])]);
        label(p.host, p.keys);
      }
    };
    let held = null; // a press that is not released: what it is on must stay
    addEventListener("pointerdown", () => { held = new Promise((done) => addEventListener("pointerup", () => { held = null; setTimeout(done); }, { once: true })); });
    const refresh = async () => {
      const r = await text(location.pathname + "?part=1");
      const html = new DOMParser().parseFromString(await r.text(), "text/html");
      await held;
      const open = $$("#parts details").map((d) => d.open);
      for (const id of ["top", "parts"]) {
        const focus = document.activeElement && document.activeElement.closest("#" + id) && document.activeElement.tagName;
        $("#" + id).replaceWith(html.getElementById(id));
        if (focus) { const again = $("#" + id + " " + focus); if (again) again.focus({ preventScroll: true }); }
      }
      $$("#parts details").forEach((d, i) => { if (open[i]) d.open = true; });
      document.dispatchEvent(new Event("contents"));
      if (page.dataset.kind === "fit" && !page.dataset.series) location.reload(); // it has begun
      if (!$("#parts").dataset.live && source) source.close();
    };
    const follow = () => {
      if (!page.dataset.live) return;
      source = new EventSource(page.dataset.live + "?at=" + (data ? data.at : 0));
      source.addEventListener("points", (e) => add(JSON.parse(e.data)));
      source.addEventListener("progress", (e) => {
        const p = JSON.parse(e.data), bar = $("#progress");
        $("#said").textContent = p.text;
        if (bar && p.part >= 0) bar.value = p.part;
      });
      source.addEventListener("refresh", () => refresh().catch(() => {}));
      source.addEventListener("reload", () => location.reload());
      source.addEventListener("error", () => { // a connection that begins again would tell what is known
        source.close();
        setTimeout(async () => {
          try { if (page.dataset.series) data = await (await text(page.dataset.series)).json(); draw(); follow(); } catch (e) { /* the server has ended */ }
        }, 3000);
      });
      addEventListener("pagehide", () => source.close());
    };
    const begin = async () => {
      if (page.dataset.series) {
        data = await (await text(page.dataset.series)).json();
        draw();
        addEventListener("resize", later(() => { for (const p of plots) p.u.setSize({ width: p.host.clientWidth, height: p.u.height }); }, 100));
        matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
      }
      page.dataset.ready = "1";
      performance.mark("interactive");
      follow();
    };
    begin().catch((e) => { $("#said").textContent = e.message; });

    const epochs = $("#epochs");
    if (epochs) {
      const into = $(".scroll", epochs);
      epochs.addEventListener("toggle", async () => {
        if (epochs.open) into.innerHTML = await (await text(epochs.dataset.href)).text();
      });
      into.addEventListener("click", async (e) => {
        const a = e.target.closest("a.more");
        if (!a) return;
        e.preventDefault();
        const html = new DOMParser().parseFromString(await (await text(a.href)).text(), "text/html");
        $("tbody", into).append(...$("tbody", html).rows);
        const next = $("a.more", html);
        next ? a.setAttribute("href", next.getAttribute("href")) : a.remove();
      });
    }
  };

  // The plan page while a model or data come from a hub.
  const fetching = () => {
    const row = $("#fetch");
    if (!row) return;
    const source = new EventSource(row.dataset.live), bar = $("#progress");
    source.addEventListener("progress", (e) => {
      const p = JSON.parse(e.data);
      $("#said").textContent = p.text;
      if (p.part >= 0) bar.value = p.part; else bar.removeAttribute("value");
    });
    source.addEventListener("refresh", () => { source.close(); location.reload(); });
    source.addEventListener("failed", (e) => {
      source.close();
      row.remove();
      $("#error").textContent = JSON.parse(e.data);
      $("#error").hidden = false;
    });
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) $("#said").textContent = "The server does not say more. Open asks again.";
    });
    addEventListener("pagehide", () => source.close());
  };

  // The plan page: a tree of the network, and what the plan would cost.
  const plan = () => {
    const planner = $("#planner");
    if (!planner) return;
    const tree = $("#tree"), form = $("#plan"), how = $("#how"), costs = $("#costs"), error = $("#error");
    let asked = null, layers = {};
    const word = { warm: "thawed", mild: "partly thawed", ice: "frozen", plain: "no weights" };
    const paint = (item, klass) => {
      for (const c of ["ice", "warm", "mild", "plain"]) item.classList.toggle(c, c === klass);
      const row = $(".row", item);
      if (row) row.setAttribute("aria-checked", klass === "warm" ? "true" : klass === "mild" ? "mixed" : "false");
    };
    const paintLayers = (of) => {
      for (const e of $$("[data-layer]", of)) {
        const klass = layers[e.dataset.layer] || "ice";
        paint(e, klass);
        if (e.classList.contains("layer")) $(".thaw", e).textContent = word[klass];
      }
    };
    const frontier = () => {
      const parts = $$(".part", tree), at = parts.findIndex((p) => p.classList.contains("live"));
      parts.forEach((p, i) => p.classList.toggle("limit", i === at && i > 0));
    };
    const show = (s, measured) => {
      error.hidden = !s.error;
      error.textContent = s.error || "";
      if (s.error) { how.textContent = ""; return false; }
      if (document.activeElement !== form.thaw) form.thaw.value = s.thaw;
      if (document.activeElement !== form.freeze) form.freeze.value = s.freeze;
      $("#command").textContent = s.command;
      $("#thawed").textContent = s.thawed;
      layers = s.layers;
      $$(".part", tree).forEach((p, i) => {
        const state = s.parts[i];
        paint(p, state.class);
        p.classList.toggle("live", state.live);
        $(".thaw", p).textContent = state.text;
      });
      paintLayers(tree);
      frontier();
      const notes = $("#notes");
      notes.hidden = !s.notes.length;
      $("ul", notes).replaceChildren(...s.notes.map((n) => Object.assign(document.createElement("li"), { textContent: n })));
      if (s.cost) for (const dd of $$("[data-cost]", costs)) dd.textContent = s.cost[dd.dataset.cost];
      costs.classList.toggle("guess", !measured);
      how.textContent = measured ? "From runs of a few examples on this machine." : "measuring …";
      return true;
    };
    // At once what the plan does, by the rates of the plan before; then what is measured.
    const ask = async (toggle) => {
      if (asked) asked.abort();
      const mine = asked = new AbortController();
      const send = async (href, fields) => (await text(href, { method: "POST", body: fields, signal: mine.signal })).json();
      try {
        const fields = new URLSearchParams(new FormData(form));
        if (toggle) for (const [k, v] of Object.entries(toggle)) fields.set(k, v);
        const now = await send("/plan/state", fields);
        if (mine.signal.aborted || !show(now, false)) return;
        const same = new URLSearchParams(new FormData(form));
        same.set("thaw", now.thaw);
        same.set("freeze", now.freeze);
        const cost = await send("/plan/cost", same);
        if (!mine.signal.aborted) show(cost, true);
        tree.dataset.measured = "1";
      } catch (e) {
        if (e.name !== "AbortError") { error.hidden = false; error.textContent = e.message; }
      }
    };
    const toggle = (item) => {
      if (!item.dataset.pick) return;
      const thawed = item.classList.contains("warm");
      ask(thawed ? { toggle: item.dataset.pick } : { toggle: item.dataset.pick, on: "1" });
    };
    const open = async (part, wide) => {
      $(".row", part).setAttribute("aria-expanded", String(wide));
      const more = $(".unfolded", part);
      if (more) { more.hidden = !wide; return; }
      if (!wide) return;
      const box = document.createElement("div");
      box.className = "unfolded";
      part.append(box);
      const q = new URLSearchParams(new FormData(form));
      q.set("part", part.dataset.part);
      try {
        box.innerHTML = await (await text("/plan/block?" + q)).text();
        paintLayers(box);
        const about = $("[data-about]", box); // a tree can hold no picture for those who do not see it
        if (about) $(".row", part).setAttribute("aria-description", about.dataset.about);
      } catch (e) { box.textContent = e.message; }
    };
    const shown = () => $$("[role=treeitem]", tree).filter((e) => !e.closest("[hidden]"));
    const focus = (item) => {
      for (const e of $$("[role=treeitem][tabindex='0']", tree)) e.tabIndex = -1;
      item.tabIndex = 0;
      item.focus();
    };
    tree.addEventListener("click", (e) => {
      const node = e.target.closest(".node[data-pick]");
      if (node) { toggle(node); return; }
      const row = e.target.closest("[role=treeitem]");
      if (!row) return;
      const item = row.parentNode;
      focus(row);
      if (e.target.closest(".thaw") || item.classList.contains("layer")) toggle(item);
      else open(item, row.getAttribute("aria-expanded") !== "true");
    });
    tree.addEventListener("keydown", (e) => {
      const row = e.target.closest("[role=treeitem]");
      if (!row || e.ctrlKey || e.altKey || e.metaKey) return;
      const item = row.parentNode, items = shown(), at = items.indexOf(row), part = item.classList.contains("part");
      const to = (i) => focus(items[Math.max(0, Math.min(items.length - 1, i))]);
      const wide = row.getAttribute("aria-expanded") === "true";
      const keys = {
        ArrowDown: () => to(at + 1), ArrowUp: () => to(at - 1), Home: () => to(0), End: () => to(items.length - 1),
        ArrowRight: () => part && (wide ? to(at + 1) : open(item, true)),
        ArrowLeft: () => part ? open(item, false) : focus($(".row", item.closest(".part"))),
        Enter: () => part ? open(item, !wide) : toggle(item), " ": () => toggle(item),
      };
      if (keys[e.key]) { e.preventDefault(); keys[e.key](); }
    });
    form.addEventListener("input", later((e) => { if (e.target.name !== "name") ask(); }, 300));
    form.addEventListener("submit", () => { $("#start").disabled = true; $("#start").textContent = "Starting …"; });
    const copy = $("#copy");
    if (navigator.clipboard) {
      copy.hidden = false;
      copy.addEventListener("click", async () => { await navigator.clipboard.writeText($("#command").textContent); copy.textContent = "Copied"; setTimeout(() => { copy.textContent = "Copy"; }, 2000); });
    }
    frontier();
    ask();
  };

  document.addEventListener("DOMContentLoaded", () => {
    list(); run(); fetching(); plan();
    document.documentElement.dataset.ready = "1";
    if (!$("#run")) performance.mark("interactive");
  });
})();
