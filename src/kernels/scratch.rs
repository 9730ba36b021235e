//! Memory for the length of a call, kept by the thread for the next one: a step like those before allocates nothing.
//!
//! A thread keeps as many rooms as it ever had in use at once, each as long as was ever asked of it. On one thread that
//! is the same in every step. On several, what a thread does while it waits depends on which tasks it finds: a step
//! may, seldom, be the first to need a room more, or a longer one. There is an end to that: no thread can have more in
//! use than an op has tasks.

use crate::tensor::Real;
use std::any::Any;
use std::cell::RefCell;

thread_local! {
    /// A `Vec<Vec<T>>` for each number type: what is not in use now.
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

/// Gives `work` room for so many numbers; what lies there is undefined. A call within the call gets room of its own,
/// and so does whatever this thread is given to do while `work` waits for other threads.
pub fn with_scratch<T: Real, R>(len: usize, work: impl FnOnce(&mut [T]) -> R) -> R {
    let mut room: Vec<T> = kept(Vec::pop).unwrap_or_default();
    if room.len() < len {
        room.resize(len, T::zero());
    }
    let result = work(&mut room[..len]);
    kept(|kept| kept.push(room));
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    #[test]
    fn kept_and_a_room_each() {
        let first = with_scratch(8, |room: &mut [f32]| room.as_ptr());
        with_scratch(4, |room: &mut [f32]| {
            assert_eq!((room.as_ptr(), room.len()), (first, 4));
            room.fill(1.0);
            let second = with_scratch(4, |other: &mut [f32]| {
                other.fill(2.0);
                other.as_ptr()
            });
            assert_eq!(with_scratch(4, |other: &mut [f32]| other.as_ptr()), second);
            with_scratch(4, |other: &mut [f64]| other.fill(3.0));
            assert_eq!(room, [1.0; 4]);
        });
    }

    /// A task that a thread takes from another, while what it does itself waits within its room, gets another one.
    #[test]
    fn a_room_each_where_a_thread_waits() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("two threads");
        let (begun, taken) = (AtomicBool::new(false), AtomicBool::new(false));
        let until = |flag: &AtomicBool| {
            while !flag.load(SeqCst) {
                std::thread::yield_now();
            }
        };
        let own = || rayon::current_thread_index().expect("a thread of the pool");
        pool.install(|| {
            with_scratch(4, |room: &mut [f32]| {
                room.fill(1.0);
                let at = room.as_ptr() as usize;
                let task = || {
                    let (thread, other) = with_scratch(4, |other: &mut [f32]| {
                        other.fill(2.0);
                        (own(), other.as_ptr() as usize)
                    });
                    taken.store(true, SeqCst);
                    (thread, other)
                };
                // the second thread takes the second half of this, and stays in it until its own second half was taken:
                // by the first thread, which has nothing else to do
                let second = || {
                    begun.store(true, SeqCst);
                    (own(), rayon::join(|| until(&taken), task).1)
                };
                let ((), (second, (thread, other))) = rayon::join(|| until(&begun), second);
                assert!(thread == own() && second != own(), "the task ran on {thread}");
                assert_ne!(other, at);
                assert_eq!(room, [1.0; 4]);
            });
        });
    }
}
