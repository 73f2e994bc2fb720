// The prompt window.

import { platform } from './early';
import { mount } from 'svelte';
import '../base.css';
import { followSystemTheme, setTheme } from '../shared/theme';
import { t } from '../texts';
import Prompt from './Prompt.svelte';

document.title = t.app.promptTitle;
document.documentElement.lang = t.app.language;
followSystemTheme();
platform.theme().then(setTheme, () => undefined);

const target = document.getElementById('app');
if (target) mount(Prompt, { target, props: { platform } });
