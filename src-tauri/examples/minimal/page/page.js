// Tells the app that there is something to see, at the same moment as the tray app's main window does.
requestAnimationFrame(() => (document.title = 'painted'));
