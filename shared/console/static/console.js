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

  // Times. The server writes them in the reader's zone, which it is told here; a
  // relative time is computed from the exact one again and again, so it stays true.
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
  if (cookie('tz') !== encodeURIComponent(here)) keep('tz', encodeURIComponent(here));
  let zone = cookie('zone') === 'utc' ? 'utc' : 'local';
  const styles = {
    abs: { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23', timeZoneName: 'short' },
    at: { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZoneName: 'short' },
    today: { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZoneName: 'short' },
    old: { day: 'numeric', month: 'short', year: 'numeric', timeZoneName: 'short' },
  };
  const write = (t, style, utc) => new Intl.DateTimeFormat('en-GB', { ...styles[style], timeZone: utc ? 'UTC' : here }).format(t).replace(',', '').replace('Sept', 'Sep');
  const exact = (t, style) => write(t, style || 'abs', zone === 'utc');
  const span = (s) => (s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min` : s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} days`);
  const day = (t) => new Date(t).toLocaleDateString('en-GB', { timeZone: zone === 'utc' ? 'UTC' : here });
  const short = (t) => exact(t, Date.now() - t > 300 * 86400e3 ? 'old' : day(t) === day(Date.now()) ? 'today' : 'at');
  const relative = (t) => {
    const s = Math.round((Date.now() - t) / 1000);
    if (Math.abs(s) > 7 * 86400) return short(t);
    if (Math.abs(s) < 2) return 'now';
    return s > 0 ? `${span(s)} ago` : `in ${span(-s)}`;
  };
  const tick = (scope) => {
    for (const el of (scope || doc).querySelectorAll('time[data-t]')) {
      const t = new Date(el.dateTime);
      const text = el.dataset.t === 'rel' ? relative(t) : el.dataset.t === 'at' ? short(t) : exact(t);
      if (el.textContent !== text) el.textContent = text;
      if (!el.title) el.title = `${write(t, 'abs', false)}\n${write(t, 'abs', true)}`;
    }
  };
  const showZone = () => {
    for (const b of doc.querySelectorAll('[data-zone]')) {
      b.textContent = zone === 'utc' ? 'UTC' : 'Local time';
      b.title = zone === 'utc' ? 'Times are UTC. Switch to local time.' : `Times are ${here}. Switch to UTC.`;
    }
    tick();
  };

  // What was done, for eyes and for screen readers.
  let hide;
  const toast = (text, undo) => {
    const box = doc.getElementById('toast');
    box.textContent = text;
    if (undo) {
      const b = doc.createElement('button');
      b.type = 'button';
      b.textContent = 'Undo';
      b.addEventListener('click', undo);
      box.append(' ', b);
    }
    box.classList.add('shown');
    clearTimeout(hide);
    hide = setTimeout(() => box.classList.remove('shown'), undo ? undoTime : 2500);
  };
  // A retry from a list or by a key can be taken back for a moment.
  const undoTime = 3000;
  const later = (form) => {
    // The list may have been drawn anew meanwhile, and a form that is in no page is not sent.
    const send = setTimeout(() => {
      if (!form.isConnected) {
        form.hidden = true;
        doc.body.append(form);
      }
      form.submit();
    }, undoTime);
    toast('Retrying …', () => {
      clearTimeout(send);
      delete form.dataset.sent;
      toast('Not retried');
    });
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
    return (sel && !sel.isCollapsed && el.contains(sel.anchorNode)) || el.contains(doc.activeElement) || el.querySelector('.picked, details.touched, [form=ticked]:checked') || doc.querySelector('dialog[open]');
  };
  const live = { 'X-Live': '1' };
  const list = () => doc.getElementById('list');
  let fresh = false; // the list has news that it does not show yet
  const refreshList = () => {
    const el = list();
    if (!el?.dataset.live || paused || doc.hidden) return;
    const still = scrollY < 120 && !reading(el) && !el.matches(':hover');
    if (still && fresh) {
      fresh = false;
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
      if (beat % every) continue;
      const held = reading(el);
      if (!held) htmx.trigger(el, 'live');
      hold(el, held);
    }
  };
  // A part that waits because somebody is in it says so, and how to go on.
  const hold = (el, held) => {
    let note = el.querySelector('.held');
    if (!held || note) {
      if (note && !held) note.remove();
      return;
    }
    note = doc.createElement('p');
    note.className = 'held';
    note.setAttribute('role', 'status');
    note.innerHTML = 'Updates wait while you are in here. <button type="button" class="link" data-go-on>Update now</button>';
    el.prepend(note);
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
  let picked = ''; // the id of the row, which a list that is drawn anew has again
  const pick = (step) => {
    const rows = [...doc.querySelectorAll('tr.row')];
    if (!rows.length) return;
    const at = rows.findIndex((r) => r.classList.contains('picked'));
    const next = rows[Math.max(0, Math.min(rows.length - 1, at + step))];
    rows[at]?.classList.remove('picked');
    next.classList.add('picked');
    picked = next.id;
    next.querySelector('a.open')?.focus();
    next.scrollIntoView({ block: 'nearest' });
  };

  const unpick = () => {
    picked = '';
    doc.querySelector('tr.picked')?.classList.remove('picked');
  };
  const repick = () => {
    const row = picked && doc.getElementById(picked);
    if (!row || row.classList.contains('picked')) return;
    row.classList.add('picked');
    if (doc.activeElement === doc.body) row.querySelector('a.open')?.focus({ preventScroll: true });
  };

  // The button says how many rows are ticked.
  const showTicked = () => {
    const button = doc.querySelector('[data-ticked]');
    const n = doc.querySelectorAll('[form=ticked]:checked').length;
    if (!button) return;
    button.textContent = `Retry the ${n} ticked …`;
    button.hidden = !n;
  };

  // Single keys act only where they are switched on; the palette opens by Ctrl+K.
  let keys = cookie('keys') !== 'off';
  const showKeys = () => {
    for (const box of doc.querySelectorAll('[data-keys]')) box.checked = keys;
  };
  doc.addEventListener('change', (ev) => {
    if (ev.target.matches('[data-keys]')) {
      keys = ev.target.checked;
      keep('keys', keys ? 'on' : 'off');
      toast(keys ? 'Single keys are on' : 'Single keys are off');
    } else if (ev.target.matches('[form=ticked]')) {
      showTicked();
    } else if (ev.target.matches('[data-pick]')) {
      const text = ev.target.closest('label').querySelector('input:not([data-pick])');
      text.value = ev.target.value.replace('T', ' ');
      text.focus();
    }
  });
  const palette = () => {
    const box = doc.getElementById('palette');
    const out = box.querySelector('ul');
    const ask = box.querySelector('input');
    const all = [...doc.querySelectorAll('.top nav a, .tabs a, .head-act a, .head-act button, .foot a, [data-zone], .look button, .cause h2 a')].filter((el) => el.offsetParent);
    const show = () => {
      const found = all.filter((el) => el.textContent.toLowerCase().includes(ask.value.toLowerCase()));
      out.replaceChildren(...found.slice(0, 12).map((el) => {
        const li = doc.createElement('li');
        const b = doc.createElement('button');
        b.type = 'button';
        b.textContent = el.textContent.trim().replace(/\s+/g, ' ');
        b.addEventListener('click', () => { box.close(); el.click(); });
        li.append(b);
        return li;
      }));
    };
    ask.value = '';
    ask.oninput = show;
    ask.onkeydown = (ev) => {
      if (ev.key !== 'Enter') return;
      ev.preventDefault();
      const first = out.querySelector('button');
      if (first) first.click();
      else location.assign(`/events?q=${encodeURIComponent(ask.value)}`);
    };
    show();
    box.showModal();
  };
  doc.addEventListener('keydown', (ev) => {
    if ((ev.ctrlKey || ev.metaKey) && ev.key === 'k' && !doc.querySelector('dialog[open]')) {
      ev.preventDefault();
      palette();
      return;
    }
    if (ev.ctrlKey || ev.metaKey || ev.altKey) return;
    const writing = ev.target.matches('input:not([type=checkbox]), textarea, select');
    if (writing) {
      if (ev.key === 'Escape') ev.target.blur();
      return;
    }
    if (doc.querySelector('dialog[open]')) return;
    if (ev.key === 'Escape') {
      unpick();
      doc.activeElement?.blur();
      return;
    }
    if (!keys && ev.key !== 'Enter') return;
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
        if (button) later(button.form);
        else toast('There is nothing to retry here');
        break;
      }
      case 'x': {
        const box = doc.querySelector('tr.picked [form=ticked]');
        if (box) box.click();
        else toast('There is nothing to tick here');
        break;
      }
      case 'p': if (doc.querySelector('[data-live], [data-poll]')) togglePause(); break;
      case '?': doc.getElementById('help').showModal(); break;
      default: return;
    }
    ev.preventDefault();
  });

  // What the search field offers follows what is typed.
  let asked;
  doc.addEventListener('input', (ev) => {
    if (!ev.target.matches('[data-search], #jump') || ev.inputType === 'insertReplacementText' || !ev.inputType) return;
    const field = ev.target;
    clearTimeout(asked);
    asked = setTimeout(async () => {
      const answer = await fetch(`/suggest?for=${field.dataset.search || ''}&q=${encodeURIComponent(field.value)}`, { headers: live }).catch(() => null);
      if (answer?.ok && field.list) field.list.innerHTML = await answer.text();
    }, 250);
  });

  doc.addEventListener('click', (ev) => {
    const el = ev.target.closest('[data-copy], [data-copy-next], [data-zone], [data-help], [data-live-toggle], [data-show-news], [data-go-on], summary');
    if (!el) return;
    if (el.matches('summary')) el.parentElement.classList.add('touched');
    else if (el.matches('[data-copy]')) copy(el.dataset.copy);
    else if (el.matches('[data-copy-next]')) copy(el.nextElementSibling.textContent);
    else if (el.matches('[data-help]')) doc.getElementById('help').showModal();
    else if (el.matches('[data-live-toggle]')) togglePause();
    else if (el.matches('[data-go-on]')) {
      const part = el.closest('[data-poll]');
      doc.activeElement?.blur();
      htmx.trigger(part, 'live');
    } else if (el.matches('[data-zone]')) {
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
  // saved or dropped, so that neither leaving nor an ended session loses it: by tab,
  // so that what is saved in one takes nothing from another.
  const draftForm = doc.querySelector('form[data-draft]');
  if (draftForm) {
    const prefix = 'hotsync draft of settings ';
    sessionStorage.tab ||= Math.random().toString(36).slice(2);
    const mine = prefix + sessionStorage.tab;
    const typed = () => [...new FormData(draftForm)].filter(([n]) => n !== 'version' && n !== 'preset' && !n.startsWith('test['));
    const clean = JSON.stringify(typed());
    const drop = (key = mine) => localStorage.removeItem(key);
    const bar = doc.getElementById('draft');
    if (draftForm.matches('[data-saved]')) drop();
    let kept = null;
    for (const key of Object.keys(localStorage).filter((k) => k.startsWith(prefix))) {
      let one = null;
      try { one = JSON.parse(localStorage.getItem(key)); } catch { /* of another version */ }
      if (!one || (!draftForm.matches('[data-dirty]') && (Date.now() - one.at > 7 * 86400e3 || JSON.stringify(one.typed) === clean))) drop(key);
      else if (!kept || key === mine || (kept.key !== mine && one.at > kept.at)) kept = { ...one, key };
    }
    const keep = () => localStorage.setItem(mine, JSON.stringify({ at: Date.now(), version: draftForm.dataset.draft, typed: typed() }));
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
        drop(ev.target.closest('#draft') ? kept.key : mine);
        bar.hidden = true;
      } else if (ev.target.closest('[data-draft-take]')) {
        drop(kept.key); // the form that comes is this tab's
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

  // A form sent twice by an impatient finger is sent once; by another button it is
  // another thing, as after a download, which leaves the page as it is.
  doc.addEventListener('submit', (ev) => {
    const form = ev.target;
    if (form.method !== 'post') return;
    const by = `sent ${ev.submitter?.formAction} ${ev.submitter?.value}`;
    if (form.dataset.sent === by) {
      ev.preventDefault();
      return;
    }
    form.dataset.sent = by;
    setTimeout(() => delete form.dataset.sent, 5000);
    if (form.querySelector('[data-retry]:not(.big)')) {
      ev.preventDefault();
      later(form);
    }
  });

  doc.addEventListener('htmx:configRequest', (ev) => {
    if (ev.detail.triggeringEvent?.type === 'live') ev.detail.headers['X-Live'] = '1';
  });
  // What moved is said: an event that came to its end, a list that has news.
  let said = doc.getElementById('event')?.dataset.status;
  doc.addEventListener('htmx:afterSettle', () => {
    const event = doc.getElementById('event');
    if (event && event.dataset.status !== said) {
      said = event.dataset.status;
      toast(event.querySelector('.outcome-head b').textContent);
    }
    if (doc.querySelector('#news .news-more')) fresh = true;
    repick();
    showTicked();
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
  showKeys();
  showPause();
  showTicked();
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
