//! Which cells are to do, claimed or done. Any number of processes on any number of hosts may work on one folder: a
//! cell is a file that a rename moves from `todo` to `claimed`, so that one process gets it, and its result is a file
//! in `done`.
//!
//! A process renews the time of its claims. A claim that is not renewed for two minutes, or whose process is known to
//! be gone, is taken over by a rename too. Times are those of the file system, not of the hosts.

use super::owner::{lives, own_name, owner};
use super::plan::Plan;
use super::result::CellResult;
use crate::error::{Error, Result};
use crate::files::write_whole;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

/// How often a claim is renewed.
const RENEW: Duration = Duration::from_secs(15);
/// After this time without renewal a claim of another host is taken over …
const STALE: Duration = Duration::from_secs(120);
/// … and one of a process that is there.
const STALE_HERE: Duration = Duration::from_secs(3600);

/// The cells of a comparison's folder.
#[derive(Debug, Clone)]
pub struct Queue {
    folder: PathBuf,
}

/// Where a cell is.
#[derive(Debug, Clone, PartialEq)]
pub enum CellState {
    Todo,
    /// With the host and the process that works on it.
    Claimed(String),
    Done,
}

/// A cell that this process has claimed. It is renewed until it is dropped.
#[derive(Debug)]
pub struct Claim {
    queue: Queue,
    cell: String,
    file: PathBuf,
    ended: Arc<AtomicBool>,
    renewing: Option<JoinHandle<()>>,
}

impl Queue {
    /// The queue of a folder. Its cells are `todo` the first time.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn open(folder: &Path, plan: &Plan) -> Result<Queue> {
        let queue = Queue { folder: folder.join("cells") };
        if !queue.folder.exists() {
            // complete or not there: the rename that comes first counts
            let new = tempfile::Builder::new().prefix(".cells-").tempdir_in(folder);
            let new = new.map_err(Error::io("write into", folder))?;
            for part in ["todo", "claimed", "done"] {
                let part = new.path().join(part);
                fs::create_dir(&part).map_err(Error::io("make the folder", &part))?;
            }
            for cell in &plan.cells {
                let file = new.path().join("todo").join(&cell.name);
                fs::write(&file, "").map_err(Error::io("write", &file))?;
            }
            let new = new.keep();
            if let Err(error) = fs::rename(&new, &queue.folder) {
                let _ = fs::remove_dir_all(&new);
                if !queue.folder.exists() {
                    return Err(Error::io("make the folder", &queue.folder)(error));
                }
            }
        }
        Ok(queue)
    }

    /// Where a cell is.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn state(&self, cell: &str) -> Result<CellState> {
        // more than once, as a cell may move while it is looked for
        for _ in 0..3 {
            if self.done(cell).exists() {
                return Ok(CellState::Done);
            }
            if self.todo(cell).exists() {
                return Ok(CellState::Todo);
            }
            if let Some(claim) = self.claim_of(cell)? {
                return Ok(CellState::Claimed(owner(&claim)));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        // somebody has removed its result: it is to do again
        let todo = self.todo(cell);
        fs::write(&todo, "").map_err(Error::io("write", &todo))?;
        Ok(CellState::Todo)
    }

    /// Claims a cell; `None` if it is done, or another process works on it. `on_loss` is called if another process
    /// takes it over, because this one stood still for too long.
    ///
    /// # Errors
    /// When a file cannot be moved.
    pub fn claim(&self, cell: &str, on_loss: impl Fn() + Send + 'static) -> Result<Option<Claim>> {
        let file = self.folder.join("claimed").join(format!("{cell}@{}", own_name()));
        let Some(from) = self.free(cell)? else { return Ok(None) };
        // before the move, as a claim with an old time is taken over
        touch(&from);
        Ok(moved(&from, &file)?.then(|| Claim::new(self.clone(), cell, file, on_loss)))
    }

    /// Whether a cell can be claimed: it is to do, or its process is gone.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn is_free(&self, cell: &str) -> Result<bool> {
        Ok(self.free(cell)?.is_some())
    }

    /// The file that whoever claims a cell moves; `None` if it is done, or a process works on it.
    fn free(&self, cell: &str) -> Result<Option<PathBuf>> {
        match self.state(cell)? {
            CellState::Done => self.sweep(cell).map(|()| None),
            CellState::Todo => Ok(Some(self.todo(cell))),
            CellState::Claimed(_) => match self.claim_of(cell)? {
                Some(claim) if self.is_abandoned(&claim)? => Ok(Some(claim)),
                _ => Ok(None),
            },
        }
    }

    /// Removes what processes that ended between the result and the end of their claim have left of a finished cell.
    fn sweep(&self, cell: &str) -> Result<()> {
        let _ = fs::remove_file(self.todo(cell));
        match self.claim_of(cell)? {
            Some(claim) if self.is_abandoned(&claim)? => _ = fs::remove_file(claim),
            _ => {}
        }
        Ok(())
    }

    /// Whether the process of a claim is gone.
    fn is_abandoned(&self, claim: &Path) -> Result<bool> {
        let stale = match lives(&owner(claim)) {
            Some(false) => return Ok(true),
            // it may stand still, or another process may have its number
            Some(true) => STALE_HERE,
            None => STALE,
        };
        // the file system's time
        let clock = tempfile::tempfile_in(&self.folder).and_then(|clock| clock.metadata()?.modified());
        let now = clock.map_err(Error::io("write into", &self.folder))?;
        let renewed = match time_of(claim) {
            Ok(time) => time,
            // its process has ended it meanwhile
            Err(_) => return Ok(false),
        };
        Ok(now.duration_since(renewed).is_ok_and(|age| age > stale))
    }

    /// The result of a cell; `None` if it is not done.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn result(&self, cell: &str) -> Result<Option<CellResult>> {
        let path = self.done(cell);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.map_err(Error::io("read", &path))?,
        };
        let result = serde_json::from_str(&text);
        result.map(Some).map_err(|e| {
            Error::input(path.display(), "", format!("is no result: {e}"), "remove it, and the training is done again")
        })
    }

    fn todo(&self, cell: &str) -> PathBuf {
        self.folder.join("todo").join(cell)
    }

    fn done(&self, cell: &str) -> PathBuf {
        self.folder.join("done").join(format!("{cell}.json"))
    }

    /// The file of a claim.
    fn claim_of(&self, cell: &str) -> Result<Option<PathBuf>> {
        let folder = self.folder.join("claimed");
        let entries = fs::read_dir(&folder).map_err(Error::io("read the folder", &folder))?;
        let names = |path: &PathBuf| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            name.rsplit_once('@').is_some_and(|(of, _)| of == cell)
        };
        Ok(entries.flatten().map(|entry| entry.path()).find(names))
    }
}

impl Claim {
    fn new(queue: Queue, cell: &str, file: PathBuf, on_loss: impl Fn() + Send + 'static) -> Claim {
        let ended = Arc::new(AtomicBool::new(false));
        let (of_thread, own) = (ended.clone(), file.clone());
        let renewing = std::thread::spawn(move || {
            while !of_thread.load(Ordering::Relaxed) {
                if !touch(&own) && !of_thread.load(Ordering::Relaxed) {
                    return on_loss();
                }
                std::thread::park_timeout(RENEW);
            }
        });
        Claim { queue, cell: cell.to_string(), file, ended, renewing: Some(renewing) }
    }

    /// Stores the result and ends the claim.
    ///
    /// # Errors
    /// When the file cannot be written, or another process has taken the cell over.
    pub fn done(self, result: &CellResult) -> Result<()> {
        if !self.file.exists() {
            let problem = format!("another process has taken {} over", self.cell);
            return Err(Error::input(self.file.display(), "", problem, "nothing is lost: that process does it"));
        }
        let text = serde_json::to_string_pretty(result).expect("plain data");
        write_whole(&self.queue.done(&self.cell), |w| writeln!(w, "{text}"))?;
        self.stop();
        let _ = fs::remove_file(&self.file);
        Ok(())
    }

    /// Puts the cell back to those that are to do, after a failure or an interruption.
    ///
    /// # Errors
    /// When the file cannot be moved.
    pub fn give_back(self) -> Result<()> {
        self.stop();
        moved(&self.file, &self.queue.todo(&self.cell)).map(drop)
    }

    fn stop(&self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = &self.renewing {
            thread.thread().unpark();
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.renewing.take() {
            let _ = thread.join();
        }
    }
}

/// Renames a file; `false` if it is not there any more.
fn moved(from: &Path, to: &Path) -> Result<bool> {
    match fs::rename(from, to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("move", from)(error)),
    }
}

/// Renews the time of a file; `false` if it is not there.
fn touch(file: &Path) -> bool {
    match fs::File::options().write(true).open(file) {
        Ok(file) => {
            // writing nothing changes no time; a length that is set does
            let _ = file.set_len(1).and_then(|()| file.set_len(0));
            true
        }
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

fn time_of(file: &Path) -> Result<SystemTime> {
    fs::metadata(file).and_then(|data| data.modified()).map_err(Error::io("read", file))
}

#[cfg(test)]
mod tests {
    use super::super::owner::host;
    use super::*;
    use crate::compare::{Plan, Variant};

    fn plan() -> Plan {
        Plan::new(vec![Variant::parse("film").unwrap(), Variant::parse("none").unwrap()], None, (1, 2), &[])
    }

    fn result(cell: &str) -> CellResult {
        CellResult { cell: cell.to_string(), ..CellResult::default() }
    }

    #[test]
    fn a_cell_is_claimed_once_and_done_once() {
        let (folder, plan) = (tempfile::tempdir().unwrap(), plan());
        let queue = Queue::open(folder.path(), &plan).unwrap();
        let cell = &plan.cells[0].name;
        assert_eq!(queue.state(cell).unwrap(), CellState::Todo);
        let claim = queue.claim(cell, || ()).unwrap().expect("free");
        assert!(matches!(queue.state(cell).unwrap(), CellState::Claimed(owner) if owner.starts_with(&host())));
        assert!(Queue::open(folder.path(), &plan).unwrap().claim(cell, || ()).unwrap().is_none(), "claimed");
        claim.give_back().unwrap();
        let claim = queue.claim(cell, || ()).unwrap().expect("free again");
        claim.done(&result(cell)).unwrap();
        assert_eq!(queue.state(cell).unwrap(), CellState::Done);
        assert!(queue.claim(cell, || ()).unwrap().is_none(), "done");
        assert_eq!(queue.result(cell).unwrap().expect("a result").cell, *cell);
        assert_eq!(queue.result(&plan.cells[1].name).unwrap(), None);
        // a result that somebody removed is to do again
        fs::remove_file(queue.done(cell)).unwrap();
        assert_eq!(queue.state(cell).unwrap(), CellState::Todo);
        // and a result counts, whatever else is left
        fs::write(queue.done(cell), "{}").unwrap();
        assert!(queue.state(cell).unwrap() == CellState::Done && queue.claim(cell, || ()).unwrap().is_none());
        assert!(!queue.todo(cell).exists());
    }

    #[test]
    fn a_claim_of_a_process_that_is_gone_is_taken_over_once() {
        let (folder, plan) = (tempfile::tempdir().unwrap(), plan());
        let queue = Queue::open(folder.path(), &plan).unwrap();
        let [gone, other_host] = [&plan.cells[0].name, &plan.cells[1].name];
        let claimed = |cell: &str, owner: &str| {
            fs::rename(queue.todo(cell), queue.folder.join("claimed").join(format!("{cell}@{owner}"))).unwrap();
        };
        // no process has this number
        claimed(gone, &format!("{}.{}.0", host(), u32::MAX));
        if Path::new("/proc/1").exists() {
            let claim = queue.claim(gone, || ()).unwrap().expect("abandoned");
            assert!(queue.claim(gone, || ()).unwrap().is_none());
            drop(claim);
        }
        // of another host nothing is known but the time
        claimed(other_host, "elsewhere.1.0");
        assert!(queue.claim(other_host, || ()).unwrap().is_none(), "renewed a moment ago");
        let file = queue.claim_of(other_host).unwrap().unwrap();
        let old = SystemTime::now() - STALE - Duration::from_secs(60);
        fs::File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
        let claim = queue.claim(other_host, || ()).unwrap().expect("stale");
        assert!(time_of(&claim.file).unwrap() > old + STALE, "a claim is renewed");
    }

    #[test]
    fn who_loses_a_claim_is_told_and_stores_nothing() {
        let (folder, plan) = (tempfile::tempdir().unwrap(), plan());
        let queue = Queue::open(folder.path(), &plan).unwrap();
        let cell = &plan.cells[0].name;
        let (told, tells) = std::sync::mpsc::channel();
        let claim = queue.claim(cell, move || told.send(()).unwrap()).unwrap().expect("free");
        fs::rename(&claim.file, queue.folder.join("claimed").join(format!("{cell}@elsewhere.1.0"))).unwrap();
        claim.renewing.as_ref().unwrap().thread().unpark();
        tells.recv_timeout(Duration::from_secs(20)).expect("told");
        assert!(claim.done(&result(cell)).unwrap_err().to_string().contains("taken"));
        assert!(matches!(queue.state(cell).unwrap(), CellState::Claimed(owner) if owner == "elsewhere.1.0"));
    }

    #[test]
    fn threads_share_the_cells() {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan::new(vec![Variant::parse("film").unwrap()], None, (1, 40), &[]);
        let claims = || {
            let queue = Queue::open(folder.path(), &plan).unwrap();
            let taken = plan.cells.iter().filter_map(|cell| {
                let claim = queue.claim(&cell.name, || ()).unwrap()?;
                claim.done(&result(&cell.name)).unwrap();
                Some(cell.name.clone())
            });
            taken.collect::<Vec<_>>()
        };
        let mut all: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(claims)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        all.sort_unstable();
        let mut wanted: Vec<String> = plan.cells.iter().map(|cell| cell.name.clone()).collect();
        wanted.sort_unstable();
        assert_eq!(all, wanted, "each once");
    }
}
