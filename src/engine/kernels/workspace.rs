//! Workspace: memory for the length of a call, which the thread keeps for the next call. A step like those before it
//! allocates nothing.
//!
//! A thread keeps as many workspaces as it ever used at once, each as long as the longest request. On one thread that
//! is the same in every step. On several threads, what a thread does while it waits depends on the tasks that it finds:
//! now and then a step is the first to need one more workspace, or a longer one. That ends, because no thread uses more
//! of them than an op has tasks.

use crate::engine::tensor::Real;
use std::any::Any;
use std::cell::RefCell;

thread_local! {
    /// A `Vec<Vec<T>>` per number type: the workspaces that are not in use now.
    static KEPT: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

fn kept<T: Real, R>(work: impl FnOnce(&mut Vec<Vec<T>>) -> R) -> R {
    KEPT.with_borrow_mut(|all| {
        let index = all.iter().position(|one| one.is::<Vec<Vec<T>>>()).unwrap_or_else(|| {
            all.push(Box::new(Vec::<Vec<T>>::new()));
            all.len() - 1
        });
        work(all[index].downcast_mut().expect("found by its type"))
    })
}

/// Calls `work` with a workspace of `len` numbers, whose contents are undefined. A call within the call gets its own
/// workspace, and so does a task that this thread takes over while `work` waits for other threads.
pub fn with_workspace<T: Real, R>(len: usize, work: impl FnOnce(&mut [T]) -> R) -> R {
    let mut workspace: Vec<T> = kept(Vec::pop).unwrap_or_default();
    if workspace.len() < len {
        workspace.resize(len, T::zero());
    }
    let result = work(&mut workspace[..len]);
    kept(|kept| kept.push(workspace));
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    #[test]
    fn a_nested_call_has_its_own_workspace() {
        let first = with_workspace(8, |workspace: &mut [f32]| workspace.as_ptr());
        with_workspace(4, |workspace: &mut [f32]| {
            assert_eq!((workspace.as_ptr(), workspace.len()), (first, 4));
            workspace.fill(1.0);
            let second = with_workspace(4, |other: &mut [f32]| {
                other.fill(2.0);
                other.as_ptr()
            });
            assert_eq!(with_workspace(4, |other: &mut [f32]| other.as_ptr()), second);
            with_workspace(4, |other: &mut [f64]| other.fill(3.0));
            assert_eq!(workspace, [1.0; 4]);
        });
    }

    /// A task that a thread steals while its own call waits with a workspace in use gets another workspace.
    #[test]
    fn a_stolen_task_has_its_own_workspace() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("two threads");
        let (begun, taken) = (AtomicBool::new(false), AtomicBool::new(false));
        let until = |flag: &AtomicBool| {
            while !flag.load(SeqCst) {
                std::thread::yield_now();
            }
        };
        let own = || rayon::current_thread_index().expect("a thread of the pool");
        pool.install(|| {
            with_workspace(4, |workspace: &mut [f32]| {
                workspace.fill(1.0);
                let at = workspace.as_ptr() as usize;
                let task = || {
                    let (thread, other) = with_workspace(4, |other: &mut [f32]| {
                        other.fill(2.0);
                        (own(), other.as_ptr() as usize)
                    });
                    taken.store(true, SeqCst);
                    (thread, other)
                };
                // The second thread takes the second half of this and stays in it until its own second half is stolen:
                // by the first thread, which has nothing else to do.
                let second = || {
                    begun.store(true, SeqCst);
                    (own(), rayon::join(|| until(&taken), task).1)
                };
                let ((), (second, (thread, other))) = rayon::join(|| until(&begun), second);
                assert!(thread == own() && second != own(), "the task ran on {thread}");
                assert_ne!(other, at);
                assert_eq!(workspace, [1.0; 4]);
            });
        });
    }
}
