// Tells the app that there is something to see, at the same moment as the tray app's pages do.
requestAnimationFrame(() => (document.title = 'painted'));
