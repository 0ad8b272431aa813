//! *Did you mean*: the known word that a person most likely wanted to write.

/// Words longer than this are not compared: nobody mistypes them, and the work grows with the square.
const WORD_BYTES_MAX: usize = 40;
/// Known words beyond this many are not compared with.
const KNOWN_MAX: usize = 200;

/// The closest of `known` to `word`, if one is close enough to be a slip of the fingers.
pub(crate) fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    let fold = |text: &str| text.to_ascii_lowercase().replace('-', "_");
    let word = fold(word);
    let allowed = match word.chars().count() {
        0..=2 => 1,
        3..=5 => 2,
        _ => 3,
    };
    let near = known.into_iter().take(KNOWN_MAX).filter(|known| known.len().abs_diff(word.len()) <= allowed);
    let scored = near.map(|known| (distance(&word, &fold(known)), known));
    scored.filter(|&(d, known)| d <= allowed && d < known.len().max(2)).min_by_key(|&(d, _)| d).map(|(_, known)| known)
}

/// How many letters must be put in, taken out, replaced or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests;
