// Tells the app that there is something to see, at the same moment as the tray app's pages do.
requestAnimationFrame(() => void window.__TAURI__.core.invoke('ready'));
