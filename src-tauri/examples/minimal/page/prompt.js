// As page.js, but at the moment at which the tray app's prompt counts as drawn: when a frame with it has been made.
requestAnimationFrame(() => requestAnimationFrame(() => (document.title = 'painted')));
