//! The pages that users read.

use std::path::Path;

/// A page in Markdown.
pub struct MarkdownPage {
    /// From the root of the repository.
    pub path: String,
    pub text: String,
}

/// The README, and the pages in `docs/`.
pub fn documentation() -> Vec<MarkdownPage> {
    let readme = pages("").into_iter().filter(|page| page.path == "README.md");
    readme.chain(pages("docs")).collect()
}

/// The pages in a folder of the repository (`""`: its root), by name.
pub fn pages(folder: &str) -> Vec<MarkdownPage> {
    let entries = std::fs::read_dir(crate::root().join(folder)).expect("a folder of the repository");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".md")).collect();
    names.sort();
    names.into_iter().map(|name| page(&Path::new(folder).join(name))).collect()
}

fn page(path: &Path) -> MarkdownPage {
    let text = std::fs::read_to_string(crate::root().join(path)).expect("a page in UTF-8");
    MarkdownPage { path: path.to_str().expect("UTF-8").replace('\\', "/"), text }
}
