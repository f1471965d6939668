//! A web page: head with style and script, paragraphs, lists, tables, links.

use super::Draft;
use super::text::{sentence, word};

const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";

const STYLE: &str = "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
    <link rel=\"stylesheet\" href=\"/static/site.css\">\n\
    <style>body{font:16px/1.5 sans-serif;margin:0 auto;max-width:60em}nav a{padding:0 1em}td{border:1px solid #ccc}</style>\n\
    <script>document.addEventListener('DOMContentLoaded',function(){var n=document.querySelector('nav');if(n){n.className='ready';}});</script>\n";

const TAIL: &str = "</p>\n</body>\n</html>\n";

/// Below this there is no room for style and script.
const SMALL: usize = 1000;

/// `size` bytes, and a whole page if they are enough for one.
pub(super) fn write(draft: &mut Draft, size: usize) {
    draft.push(HEAD);
    draft.push("<title>Notice ");
    draft.slot();
    draft.push("</title>\n");
    if size >= SMALL {
        draft.push(STYLE);
    }
    draft.push("</head>\n<body>\n");
    if size >= SMALL {
        navigation(draft);
    }
    // One block after another, until one is too many; then words up to the end.
    let open = "<p>";
    loop {
        let before = draft.bytes.len();
        block(draft, size);
        if draft.bytes.len() + open.len() + TAIL.len() > size {
            draft.rewind(before);
            break;
        }
    }
    draft.push(open);
    while draft.bytes.len() + TAIL.len() < size {
        sentence(draft);
        draft.push(" ");
    }
    draft.rewind(size.saturating_sub(TAIL.len()).max(draft.bytes.len().min(HEAD.len())));
    draft.push(TAIL);
}

fn navigation(draft: &mut Draft) {
    draft.push("<nav>");
    for _ in 0..5 {
        let name = word(&mut draft.random);
        draft.push(&format!("<a href=\"/{name}/index.html\">{name}</a>"));
    }
    draft.push("</nav>\n");
}

fn block(draft: &mut Draft, size: usize) {
    if draft.wants_slot(size) {
        draft.push("<p id=\"n");
        draft.slot();
        draft.push("\">");
        sentence(draft);
        draft.push("</p>\n");
        return;
    }
    match draft.random.below(8) {
        0 => {
            draft.push("<ul>\n");
            for _ in 0..4 {
                draft.push("<li>");
                sentence(draft);
                draft.push("</li>\n");
            }
            draft.push("</ul>\n");
        }
        1 => {
            draft.push("<table>\n");
            for row in 0..3 {
                let (name, other) = (word(&mut draft.random), word(&mut draft.random));
                draft.push(&format!(
                    "<tr><td>{row}</td><td>{name}</td><td><a href=\"/item/{other}.html\">{other}</a></td></tr>\n"
                ));
            }
            draft.push("</table>\n");
        }
        2 => {
            let name = word(&mut draft.random);
            draft.push(&format!("<h2>{name}</h2>\n<img src=\"/images/{name}.png\" alt=\"{name}\">\n"));
        }
        _ => {
            draft.push("<p>");
            for _ in 0..2 {
                sentence(draft);
                draft.push(" ");
            }
            draft.push("</p>\n");
        }
    }
}
