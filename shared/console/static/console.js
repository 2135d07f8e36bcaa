// Makes the console's pages better where scripts run: live parts, keyboard,
// local and relative times, copy buttons. Every page works without it.
'use strict';
(() => {
  const doc = document;
  const root = doc.documentElement;
  root.classList.add('js');

  const cookie = (name) => doc.cookie.split('; ').find((c) => c.startsWith(name + '='))?.slice(name.length + 1);
  const keep = (name, value) => {
    doc.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=lax` + (location.protocol === 'https:' ? '; secure' : '');
  };

  // Times. The server writes UTC; a relative time is computed from the exact one
  // again and again, so it stays true however long the page is open.
  let zone = cookie('zone') === 'utc' ? 'utc' : 'local';
  const pad = (n) => String(n).padStart(2, '0');
  const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
  const utc = (t) => `${t.getUTCDate()} ${months[t.getUTCMonth()]} ${t.getUTCFullYear()} ${pad(t.getUTCHours())}:${pad(t.getUTCMinutes())}:${pad(t.getUTCSeconds())} UTC`;
  const local = (t) => `${t.getDate()} ${months[t.getMonth()]} ${t.getFullYear()} ${pad(t.getHours())}:${pad(t.getMinutes())}:${pad(t.getSeconds())}`;
  const exact = (t) => (zone === 'utc' ? utc(t) : local(t));
  const span = (s) => (s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min` : s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} days`);
  const relative = (t) => {
    const s = Math.round((Date.now() - t) / 1000);
    if (Math.abs(s) > 7 * 86400) return exact(t);
    if (Math.abs(s) < 2) return 'now';
    return s > 0 ? `${span(s)} ago` : `in ${span(-s)}`;
  };
  const tick = (scope) => {
    for (const el of (scope || doc).querySelectorAll('time[data-t]')) {
      const t = new Date(el.dateTime);
      const text = el.dataset.t === 'rel' ? relative(t) : exact(t);
      if (el.textContent !== text) el.textContent = text;
      el.title = el.dataset.t === 'rel' ? `${exact(t)}${zone === 'utc' ? '' : ' local'}\n${utc(t)}` : utc(t);
    }
  };
  const showZone = () => {
    for (const b of doc.querySelectorAll('[data-zone]')) {
      b.textContent = zone === 'utc' ? 'UTC' : 'Local time';
      b.title = zone === 'utc' ? 'Times are UTC. Switch to local time.' : 'Times are local. Switch to UTC.';
    }
    tick();
  };

  // What was done, for eyes and for screen readers.
  let hide;
  const toast = (text) => {
    const box = doc.getElementById('toast');
    box.textContent = text;
    box.classList.add('shown');
    clearTimeout(hide);
    hide = setTimeout(() => box.classList.remove('shown'), 2500);
  };
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      toast('Copied');
    } catch {
      toast('The browser did not allow copying');
    }
  };

  // Live parts. A part asks again by itself unless it is paused, the page is not
  // seen, or somebody is in the middle of it.
  let paused = sessionStorage.getItem('paused') === '1';
  const reading = (el) => {
    const sel = getSelection();
    return (sel && !sel.isCollapsed && el.contains(sel.anchorNode)) || el.contains(doc.activeElement) || el.querySelector('.picked, details.touched') || doc.querySelector('dialog[open]');
  };
  const live = { 'X-Live': '1' };
  const list = () => doc.getElementById('list');
  const refreshList = () => {
    const el = list();
    if (!el?.dataset.live || paused || doc.hidden) return;
    if (scrollY < 120 && !reading(el) && !el.matches(':hover')) {
      htmx.ajax('GET', el.dataset.live, { target: '#list', swap: 'outerHTML', headers: live });
      return;
    }
    const moving = [...el.querySelectorAll('tr.row')].filter((r) => /queued|running|retrying/.test(r.dataset.status)).map((r) => r.id);
    const query = el.dataset.live.split('?')[1] || '';
    const ask = new URLSearchParams(query);
    ask.set('since', el.dataset.newest || '');
    if (moving.length) ask.set('watch', moving.slice(0, 50).join(','));
    htmx.ajax('GET', `/events/news?${ask}`, { target: '#news', swap: 'innerHTML', headers: live });
  };
  const refreshParts = (beat) => {
    if (paused || doc.hidden) return;
    for (const el of doc.querySelectorAll('[data-poll]')) {
      const every = Number(el.dataset.poll) || 2;
      if (beat % every === 0 && !reading(el)) htmx.trigger(el, 'live');
    }
  };
  // The steps of a job, each after the other's answer.
  const step = (beat) => {
    const form = doc.querySelector('form[data-step]');
    if (form && !paused && beat % Number(form.dataset.step) === 0) htmx.trigger(form, 'live');
  };
  const showPause = () => {
    for (const b of doc.querySelectorAll('[data-live-toggle]')) {
      b.textContent = paused ? 'Go on live' : 'Pause live';
      b.setAttribute('aria-pressed', String(paused));
    }
    root.classList.toggle('paused', paused);
  };
  const togglePause = () => {
    paused = !paused;
    sessionStorage.setItem('paused', paused ? '1' : '0');
    showPause();
    toast(paused ? 'Live updates paused' : 'Live updates on');
    if (!paused) refreshList();
  };

  // What scrolls sideways can be reached by keyboard, and only that.
  const reachable = () => {
    for (const el of doc.querySelectorAll('.table-wrap')) {
      if (el.scrollWidth > el.clientWidth) el.tabIndex = 0;
      else el.removeAttribute('tabindex');
    }
  };
  addEventListener('resize', reachable);
  doc.addEventListener('toggle', reachable, true);

  // Rows by keyboard.
  const pick = (step) => {
    const rows = [...doc.querySelectorAll('tr.row')];
    if (!rows.length) return;
    const at = rows.findIndex((r) => r.classList.contains('picked'));
    const next = rows[Math.max(0, Math.min(rows.length - 1, at + step))];
    rows[at]?.classList.remove('picked');
    next.classList.add('picked');
    next.querySelector('a.open')?.focus();
    next.scrollIntoView({ block: 'nearest' });
  };

  doc.addEventListener('keydown', (ev) => {
    if (ev.ctrlKey || ev.metaKey || ev.altKey) return;
    const writing = ev.target.matches('input, textarea, select');
    if (writing) {
      if (ev.key === 'Escape') ev.target.blur();
      return;
    }
    if (doc.querySelector('dialog[open]')) return;
    switch (ev.key) {
      case '/': (doc.querySelector('[data-search]') || doc.getElementById('jump'))?.focus(); break;
      case 'j': pick(1); break;
      case 'k': pick(-1); break;
      case 'Enter': {
        if (ev.target !== doc.body) return;
        doc.querySelector('tr.picked a.open')?.click();
        break;
      }
      case 'r': {
        const scope = doc.querySelector('tr.picked') || (doc.querySelector('tr.row') ? null : doc);
        const button = scope?.querySelector('[data-retry]');
        if (button) button.click();
        else toast('There is nothing to retry here');
        break;
      }
      case 'p': if (doc.querySelector('[data-live], [data-poll]')) togglePause(); break;
      case 'Escape': doc.querySelector('tr.picked')?.classList.remove('picked'); doc.activeElement?.blur(); break;
      case '?': doc.getElementById('help').showModal(); break;
      default: return;
    }
    ev.preventDefault();
  });

  doc.addEventListener('click', (ev) => {
    const el = ev.target.closest('[data-copy], [data-copy-next], [data-zone], [data-help], [data-live-toggle], [data-show-news], summary');
    if (!el) return;
    if (el.matches('summary')) el.parentElement.classList.add('touched');
    else if (el.matches('[data-copy]')) copy(el.dataset.copy);
    else if (el.matches('[data-copy-next]')) copy(el.nextElementSibling.textContent);
    else if (el.matches('[data-help]')) doc.getElementById('help').showModal();
    else if (el.matches('[data-live-toggle]')) togglePause();
    else if (el.matches('[data-zone]')) {
      zone = zone === 'utc' ? 'local' : 'utc';
      keep('zone', zone);
      showZone();
    } else if (el.matches('[data-show-news]')) {
      ev.preventDefault();
      scrollTo({ top: 0 });
      htmx.ajax('GET', list().dataset.live, { target: '#list', swap: 'outerHTML', headers: live });
    }
  });

  // What somebody typed into the settings is kept in this browser until it is
  // saved or dropped, so that neither leaving nor an ended session loses it.
  const draftForm = doc.querySelector('form[data-draft]');
  const draftKey = 'hotsync draft of settings';
  if (draftForm) {
    const typed = () => [...new FormData(draftForm)].filter(([n]) => n !== 'version' && n !== 'preset' && !n.startsWith('test['));
    const clean = JSON.stringify(typed());
    const drop = () => localStorage.removeItem(draftKey);
    const bar = doc.getElementById('draft');
    let kept = null;
    try { kept = JSON.parse(localStorage.getItem(draftKey)); } catch { drop(); }
    if (draftForm.matches('[data-saved]') || (kept && !draftForm.matches('[data-dirty]') && (Date.now() - kept.at > 7 * 86400e3 || JSON.stringify(kept.typed) === clean))) {
      drop();
      kept = null;
    }
    const keep = () => localStorage.setItem(draftKey, JSON.stringify({ at: Date.now(), version: draftForm.dataset.draft, typed: typed() }));
    const dirty = draftForm.matches('[data-dirty]');
    if (dirty) keep();
    else if (kept) {
      const time = doc.createElement('time');
      time.dateTime = new Date(kept.at).toISOString();
      time.dataset.t = 'rel';
      bar.querySelector('[data-draft-at]').append(', ', time);
      bar.hidden = false;
    }
    draftForm.addEventListener('input', () => {
      if (!dirty && JSON.stringify(typed()) === clean) drop();
      else keep();
    });
    doc.addEventListener('click', (ev) => {
      if (ev.target.closest('[data-draft-drop]')) {
        drop();
        bar.hidden = true;
      } else if (ev.target.closest('[data-draft-take]')) {
        const again = doc.createElement('form');
        again.method = 'post';
        again.action = '/settings';
        for (const [name, value] of [...kept.typed, ['version', kept.version], ['do', 'edit']]) {
          const input = doc.createElement('input');
          input.type = 'hidden';
          input.name = name;
          input.value = value;
          again.append(input);
        }
        doc.body.append(again);
        again.submit();
      }
    });
  }

  // A form sent twice by an impatient finger is sent once.
  doc.addEventListener('submit', (ev) => {
    const form = ev.target;
    if (form.method !== 'post') return;
    if (form.dataset.sent) {
      ev.preventDefault();
      return;
    }
    form.dataset.sent = '1';
    setTimeout(() => delete form.dataset.sent, 5000);
  });

  doc.addEventListener('htmx:configRequest', (ev) => {
    if (ev.detail.triggeringEvent?.type === 'live') ev.detail.headers['X-Live'] = '1';
  });
  doc.addEventListener('htmx:afterSettle', () => {
    tick();
    reachable();
    showPause();
  });
  // A part that could not be read is told of once and stays as it is.
  let told = false;
  const trouble = () => {
    if (!told) toast('Live updates do not get through at the moment');
    told = true;
  };
  doc.addEventListener('htmx:sendError', trouble);
  doc.addEventListener('htmx:responseError', trouble);
  doc.addEventListener('htmx:afterOnLoad', () => { told = false; });

  showZone();
  showPause();
  reachable();
  let beat = 0;
  setInterval(() => {
    beat++;
    tick();
    if (beat % 4 === 0) refreshList();
    refreshParts(beat);
    step(beat);
  }, 1000);
})();
