import { render } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';
import LongText from './LongText.svelte';
import PeerText from './PeerText.svelte';

describe('texts of peers', () => {
  it.each([
    '<img src=x onerror=alert(1)>',
    '<script>alert(1)</script>',
    '"><svg/onload=alert(1)>',
    'javascript:alert(1)',
    '{@html "<b>"}',
    '&lt;b&gt;&#x202e;',
    '<style>*{display:none}</style>',
    '\u202e\u0000<a href="https://example.org">',
  ])('are nothing but text: %s', (text) => {
    const { container } = render(PeerText, { text, name: true });
    const tags = [...container.querySelectorAll('*')].map(({ localName }) => localName);
    expect(tags.filter((tag) => !['div', 'bdi', 'span'].includes(tag))).toEqual([]);
    const marked = [...text].filter((character) => /[\u202e\u0000]/.test(character)).length;
    expect(container.querySelectorAll('.mark')).toHaveLength(marked);
    if (marked === 0) expect(container.textContent).toBe(text);
  });

  it('are whole where they have to be', () => {
    const text = Array.from({ length: 30_000 }, (_, line) => `line ${line} \u{1f600}`).join('\n');
    const { container } = render(LongText, { text, label: 'all of it' });
    expect(container.querySelector('[role=group]')?.textContent).toBe(text);
  });
});
