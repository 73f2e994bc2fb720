// The main window.

import { mount } from 'svelte';
import '../base.css';
import { platform } from '#platform/main';
import { followSystemTheme } from '../shared/theme';
import { t } from '../texts';
import App from './App.svelte';
import { Desktop } from './state/desktop.svelte';

document.title = t.app.name;
document.documentElement.lang = t.app.language;
followSystemTheme();

const target = document.getElementById('app');
if (target) mount(App, { target, props: { desktop: new Desktop(platform) } });
