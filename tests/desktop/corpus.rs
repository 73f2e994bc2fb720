//! Texts that become more than text wherever somebody forgets that they are none of his own. Each sets `window.__xss`, opens
//! a dialog, or fetches something from an address that listens.

/// Names that are as short as names have to be.
#[allow(dead_code, reason = "the server that is built with this file has no use for them")]
pub(crate) const NAMES: [&str; 3] =
    ["<img src=x onerror=__xss=1>", "<script>__xss=1</script>", "<svg onload=__xss=1>"];

/// The corpus, for a listener at this address.
pub(crate) fn texts(address: &str) -> Vec<String> {
    let mut texts: Vec<String> = [
        "<img src=x onerror=\"window.__xss=1\">",
        "<script>window.__xss=1</script>",
        "\"><svg onload=window.__xss=1>",
        "'-(window.__xss=1)-'",
        "<iframe srcdoc=\"<script>parent.__xss=1</script>\"></iframe>",
        "<details open ontoggle=window.__xss=1>",
        "<input autofocus onfocus=window.__xss=1>",
        "{{constructor.constructor('window.__xss=1')()}}",
        "${window.__xss=1}",
        "<a href=\"javascript:window.__xss=1\">click</a>",
        "<script>alert(1)</script>",
        "</textarea></title></style><script>window.__xss=1</script>",
        "<math><mtext><style><img title=\"</style><img src=x onerror=window.__xss=1>\">",
        "{@html '<img src=x onerror=window.__xss=1>'}",
        "<b onmouseover=window.__xss=1 style=\"position:fixed;inset:0\">",
    ]
    .map(str::to_owned)
    .into();
    texts.extend([
        format!("<img src=http://{address}/img>"),
        format!("<link rel=stylesheet href=http://{address}/css>"),
        format!("<style>@import 'http://{address}/import';</style>"),
        format!("<script src=http://{address}/script></script>"),
        format!("<meta http-equiv=refresh content=\"0;url=http://{address}/\">"),
        format!("<object data=http://{address}/object></object>"),
        format!("![picture](http://{address}/markdown)"),
    ]);
    texts
}
