//! GitHub's ledger of check runs: each write of one, in order, before the playground forgets it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use pointsman::playground::{GitHub, Request};
use pointsman::time::Timestamp;

#[derive(Default)]
pub struct Harvest(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// Up to this moment, and how many requests of this very moment.
    upto: (Timestamp, usize),
    pub requests: usize,
    writes: Vec<Write>,
}

/// A write of a check run that GitHub took.
#[derive(Debug, Clone)]
pub struct Write {
    pub id: i64,
    /// `None`: unchanged by this write.
    pub status: Option<String>,
    pub external_id: Option<String>,
    pub made: bool,
}

impl Harvest {
    /// Reads on. Asked more often than the playground forgets.
    pub fn read(&self, github: &GitHub) {
        let requests = github.requests();
        let mut seen = self.0.lock().unwrap();
        let (at, count) = seen.upto;
        let new: Vec<&Request> = requests.iter().filter(|one| one.at >= at).skip(count).collect();
        let Some(last) = new.last().map(|one| one.at) else { return };
        let of_last = new.iter().filter(|one| one.at == last).count();
        seen.upto = (last, if last == at { count + of_last } else { of_last });
        seen.requests += new.len();
        let writes: Vec<Write> = new.into_iter().filter_map(write).collect();
        seen.writes.extend(writes);
    }

    pub fn requests(&self) -> usize {
        self.0.lock().unwrap().requests
    }

    /// Check runs that were made, and what is wrong with how they went: made twice, or gone backwards.
    pub fn judge(&self) -> (usize, Vec<String>) {
        let seen = self.0.lock().unwrap();
        let mut made: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
        let (mut completed, mut wrong) = (BTreeSet::new(), Vec::new());
        for write in &seen.writes {
            if write.made {
                let ids = made.entry(write.external_id.as_deref().unwrap_or_default()).or_default();
                ids.insert(write.id);
                if ids.len() > 1 {
                    wrong.push(format!("made twice: {write:?}"));
                }
            }
            match write.status.as_deref() {
                Some("completed") => _ = completed.insert(write.id),
                Some(_) if completed.contains(&write.id) => wrong.push(format!("went backwards: {write:?}")),
                _ => {}
            }
        }
        (made.len(), wrong)
    }
}

fn write(request: &Request) -> Option<Write> {
    if !(200..300).contains(&request.status) || !matches!(request.method.as_str(), "POST" | "PATCH") {
        return None;
    }
    let (_, rest) = request.path.split_once("/check-runs")?;
    let made = rest.is_empty();
    let id = if made { request.answer["id"].as_i64()? } else { rest.trim_start_matches('/').parse().ok()? };
    let text = |name: &str| request.body[name].as_str().map(str::to_owned);
    Some(Write { id, status: text("status"), external_id: text("external_id"), made })
}
