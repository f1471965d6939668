//! URLs as rules see them.

/// A URL as rules see it: scheme and host in lower case, without user, password and fragment.
pub fn plain_url(mut url: String) -> String {
    url.truncate(url.find('#').unwrap_or(url.len()));
    let (start, end) = url_authority(&url);
    if let Some(at) = url[start..end].rfind('@') {
        url.replace_range(start..=start + at, "");
    }
    let (_, end) = url_authority(&url);
    url[..end].make_ascii_lowercase();
    url
}

/// The host of what [`plain_url`] made, without port, brackets of addresses kept.
pub fn url_host(plain: &str) -> &str {
    let (start, end) = url_authority(plain);
    let authority = &plain[start..end];
    let port = authority.rfind(':').filter(|at| !authority[*at..].contains(']')).unwrap_or(authority.len());
    authority[..port].trim_end_matches('.')
}

/// Where the authority of a URL stands.
pub fn url_authority(url: &str) -> (usize, usize) {
    if url.starts_with('/') {
        return (0, 0);
    }
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    (start, end)
}
