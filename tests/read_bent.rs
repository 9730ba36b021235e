//! Every reader on bent, cut and arbitrary files: it reads or refuses them, never panics, and allocates no more than a small
//! multiple of their size, whatever a header claims. The allocator counts what is alive.

#[allow(dead_code, reason = "the readers' own tests use all of it")]
#[path = "../src/data/read/tests/samples.rs"]
mod samples;

use abr_film::data::read::{read_all, read_bytes};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;

/// The most bytes alive at once, as a multiple of the file's.
const MULTIPLE: usize = 40;

/// What is free: buffers of fixed size, of which those of `inflate` are the largest.
const FREE: usize = 160 << 10;

struct Counting;

// a thread's own, as other tests allocate at the same time
thread_local! {
    static ALIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    // a thread that ends has no counters any more
    let _ = ALIVE.try_with(|alive| {
        alive.set(alive.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(alive.get())));
    });
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // old and new may both be alive while the content is moved
        count(size as isize);
        count(-(layout.size() as isize));
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Runs `read` on files of this many bytes together, and says by how many times it exceeds what is free.
fn bounded<T>(what: &str, bytes: usize, read: impl FnOnce() -> T) -> (T, f64) {
    let before = ALIVE.get();
    PEAK.set(before);
    let result = read();
    let peak = (PEAK.get() - before) as usize;
    assert!(peak <= MULTIPLE * bytes + FREE, "{what}: {peak} bytes were alive for a file of {bytes}");
    (result, peak.saturating_sub(FREE) as f64 / bytes.max(1) as f64)
}

/// Reads a content; a message names the file and a way out.
fn read(name: &str, content: Vec<u8>) -> (bool, f64) {
    let bytes = content.len();
    let (result, multiple) =
        bounded(name, bytes, || read_bytes(name, content).map(|r| r.len()).map_err(|e| e.to_string()));
    if let Err(message) = &result {
        assert!(message.starts_with(name) && message.contains("help: "), "{message}");
    }
    (result.is_ok(), multiple)
}

/// A file of each format that needs no other beside it.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let fixture =
        |name: &str| std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap();
    vec![
        ("x.TXT", samples::smartep(8).into_bytes()),
        ("y.txt", samples::biosig().into_bytes()),
        ("x.arf", samples::Arf::new().bytes(2)),
        ("rp.arf", samples::Arf { rz: false, ..samples::Arf::new() }.bytes(2)),
        ("ABR-52-3", samples::cfts()),
        ("x.csv", samples::abra().into_bytes()),
        ("y.csv", samples::eclipse().into_bytes()),
        ("table.csv", b"subject_id,level_db,t0_ms,peak_v_ms,s0,s1,s2\nm1,60,0,5.5,1,2,3\nm2,-5,,,1,,\n".to_vec()),
        ("x.npz", fixture("npz/rows.npz")),
        ("y.npz", fixture("npz/columns.npz")),
    ]
}

/// One change of a file.
#[derive(Debug, Clone)]
enum Bend {
    Cut(f64),
    Remove(f64, usize),
    Repeat(f64, usize, usize),
    Overwrite(f64, Vec<u8>),
    Insert(f64, Vec<u8>),
}

fn bends() -> impl Strategy<Value = Vec<Bend>> {
    let place = || 0.0..1.0_f64;
    // bytes that mean something to one format or another, and any
    let words =
        ["0", "-1", "1e999", "NaN", ",", "\t", "\n", "\r", ":", "=", ";", "99999999999999999999", "\u{b5}", "s0"];
    let words = prop::sample::select(words.map(|word| word.as_bytes().to_vec()).to_vec());
    let numbers = prop::sample::select(vec![
        vec![0; 4],
        vec![255; 4],
        vec![255, 255, 255, 127],
        vec![0, 0, 0, 128],
        vec![255; 2],
    ]);
    let bytes = || prop_oneof![words.clone(), numbers.clone(), prop::collection::vec(any::<u8>(), 1..6)];
    let bend = prop_oneof![
        place().prop_map(Bend::Cut),
        (place(), 1..40_usize).prop_map(|(at, n)| Bend::Remove(at, n)),
        (place(), 1..60_usize, 1..50_usize).prop_map(|(at, n, times)| Bend::Repeat(at, n, times)),
        (place(), bytes()).prop_map(|(at, bytes)| Bend::Overwrite(at, bytes)),
        (place(), bytes()).prop_map(|(at, bytes)| Bend::Insert(at, bytes)),
    ];
    prop::collection::vec(bend, 1..6)
}

fn bent(mut file: Vec<u8>, bends: &[Bend]) -> Vec<u8> {
    for bend in bends {
        let at = |place: &f64| (place * file.len() as f64) as usize;
        match bend {
            Bend::Cut(place) => file.truncate(at(place)),
            Bend::Remove(place, n) => {
                let (from, to) = (at(place), (at(place) + n).min(file.len()));
                file.drain(from..to);
            }
            Bend::Repeat(place, n, times) => {
                let (from, to) = (at(place), (at(place) + n).min(file.len()));
                let piece = file[from..to].repeat(*times);
                file.splice(from..from, piece);
            }
            Bend::Overwrite(place, bytes) => {
                let (from, to) = (at(place), (at(place) + bytes.len()).min(file.len()));
                file.splice(from..to, bytes.iter().copied());
            }
            Bend::Insert(place, bytes) => {
                let from = at(place);
                file.splice(from..from, bytes.iter().copied());
            }
        }
    }
    file
}

fn run<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value)) {
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(cases) });
    runner
        .run(&strategy, |value| {
            test(value);
            Ok(())
        })
        .unwrap();
}

#[test]
fn bent_files_are_read_or_refused() {
    for (name, file) in files() {
        assert!(read(name, file.clone()).0, "{name} as it should be");
        let (good, worst) = (Cell::new(0), Cell::new(0.0_f64));
        run(600, bends(), |bends| {
            let (ok, multiple) = read(name, bent(file.clone(), &bends));
            good.set(good.get() + usize::from(ok));
            worst.set(worst.get().max(multiple));
        });
        // the changes are neither so small that all is read nor so large that nothing gets beyond the first check
        assert!((1..600).contains(&good.get()), "{name}: {} of 600 were read", good.get());
        println!("{name}: {} of 600 read, at most {:.1} times their size beyond what is free", good.get(), worst.get());
    }
}

/// An archive's checksums refuse most changes, so that its arrays are bent before they are packed.
#[test]
fn bent_arrays_are_read_or_refused() {
    let headers = ["'<f4'", "'>f8'", "'<U3'", "'|S4'", "'<i2'", "'|b1'"]
        .map(|descr| format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (8,), }}"));
    let good = Cell::new(0);
    run(1500, (bends(), 0..=headers.len(), any::<bool>()), |(bends, which, inside)| {
        let mut arrays = vec![("signal".to_string(), headers[0].replace("(8,)", "(8, 3)").into_bytes(), vec![1; 96])];
        for (i, header) in headers.iter().enumerate() {
            let bytes = 8 * [4, 8, 12, 4, 2, 1][i];
            arrays.push((format!("column{i}"), header.clone().into_bytes(), vec![65; bytes]));
        }
        let array = &mut arrays[which];
        if inside {
            array.1 = bent(array.1.clone(), &bends)
        } else {
            array.2 = bent(array.2.clone(), &bends)
        }
        let texts: Vec<String> = arrays.iter().map(|a| a.1.iter().map(|&b| char::from(b)).collect()).collect();
        let arrays: Vec<(&str, &str, &[u8])> =
            arrays.iter().zip(&texts).map(|(a, text)| (a.0.as_str(), text.as_str(), &a.2[..])).collect();
        good.set(good.get() + usize::from(read("x.npz", samples::archive(&arrays)).0));
    });
    assert!((1..1500).contains(&good.get()), "{} of 1500 were read", good.get());
    println!("arrays: {} of 1500 read", good.get());
}

#[test]
fn every_cut_is_refused_or_a_shorter_file() {
    for (name, file) in files() {
        for length in (0..file.len()).step_by(1 + file.len() / 400) {
            read(name, file[..length].to_vec());
        }
    }
}

#[test]
fn arbitrary_bytes_are_read_or_refused() {
    let beginnings: Vec<Vec<u8>> =
        files().iter().flat_map(|(_, file)| [0, 4, 40, 400].map(|n| file[..n.min(file.len())].to_vec())).collect();
    let bytes = prop::collection::vec(any::<u8>(), 0..600);
    let names = prop::sample::select(vec!["x.arf", "x.npz", "x.hea", "x.csv", "x.txt", "x"]);
    run(3000, (prop::sample::select(beginnings), bytes, names), |(beginning, bytes, name)| {
        read(name, [beginning, bytes].concat());
    });
}

/// Files beside one another: the record, and the peaks of a level sweep.
#[test]
fn bent_companions_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = |name: &str| {
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/wfdb").join(name)).unwrap()
    };
    let pairs = [
        ("evoked24.hea", fixture("evoked24.hea"), "evoked24.dat", fixture("evoked24.dat")),
        ("ABR-52-3", samples::cfts(), "ABR-52-3-analyzed.txt", samples::analyzed().into_bytes()),
    ];
    for (name, file, beside, companion) in pairs {
        let good = Cell::new(0);
        run(400, (bends(), any::<bool>()), |(bends, first)| {
            let bent = |file: &[u8], it: bool| if it { bent(file.to_vec(), &bends) } else { file.to_vec() };
            let (file, companion) = (bent(&file, first), bent(&companion, !first));
            std::fs::write(folder.path().join(name), &file).unwrap();
            std::fs::write(folder.path().join(beside), &companion).unwrap();
            let path = [folder.path().join(name)];
            let (result, _) = bounded(name, file.len() + companion.len(), || read_all(&path));
            match result {
                Ok(_) => good.set(good.get() + 1),
                Err(error) => assert!(error.to_string().contains("help: "), "{error}"),
            }
        });
        assert!((1..400).contains(&good.get()), "{name}: {} of 400 were read", good.get());
    }
}

/// Large files made to make a reader allocate: much structure in few bytes.
#[test]
fn dense_files_stay_within_the_bound() {
    let million = 1 << 20;
    let header = "Identifier:,x\nSmp. Period:,50\nZero Position:,1\n";
    let biosig = "ABR Group Header  ===\nGroup Number: 1\n";
    let eclipse: String = (1..=20).map(|i| format!(",{i}")).collect();
    let numbers: String = (1..150_000).map(|i| format!(",{i}")).collect();
    let sixteen = ",1".repeat(16);
    let hundred = ["1", &",1".repeat(99)].concat();
    let smartep = |n: usize| {
        let ones = ",1".repeat(n);
        let labels = [
            "Smp. Period",
            "Zero Position",
            "Ear",
            "Channel",
            "Stim. Freq",
            "Intensity",
            "Stim. Rate",
            "Sweeps",
            "Artifacts",
        ];
        let lines: String = labels.map(|label| format!("{label}:{ones}\n")).concat();
        format!("Identifier:\n{lines}Data Pnt:,{}\n1{ones}\n", "Average(uV),".repeat(n))
    };
    let archive = |rows: usize, length: usize| {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {length}), }}");
        // what does not shrink
        let items = (0..rows * length).map(|i| ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32);
        samples::archive(&[("signal", &header, &items.flat_map(f32::to_le_bytes).collect::<Vec<u8>>())])
    };
    let dense: Vec<(&str, Vec<u8>)> = vec![
        ("x.txt", smartep(million / 32).into()),
        ("x.npz", archive(200_000, 1)),
        ("x.npz", archive(10_000, 20)),
        ("x.npz", archive(1, 200_000)),
        ("x.txt", [header, &",".repeat(million)].concat().into()),
        ("x.txt", [header, "Data Pnt:,", &"Average(uV),".repeat(million / 12)].concat().into()),
        ("x.txt", [biosig, &"Record Number: 1\nNo. Points: 1\n0\n".repeat(million / 34)].concat().into()),
        ("x.txt", [biosig, "Record Number: 1\n", &"0\n".repeat(million / 2)].concat().into()),
        ("x", [":RUN-3\tSAMPLE (x): 10\n:LEVELS:", &"1;".repeat(million / 2), "\n:DATA\n"].concat().into()),
        ("x", [":RUN-3\tSAMPLE (x): 10\n:LEVELS:1\n:DATA\n", &"1\n".repeat(million / 2)].concat().into()),
        ("x.csv", ["a", &eclipse, "\n", &["1", &sixteen, "\n"].concat().repeat(million / 34)].concat().into()),
        (
            "x.csv",
            ["a", &",a".repeat(99), &eclipse, "\n", &[&hundred, &sixteen, "\n"].concat().repeat(million / 232)]
                .concat()
                .into(),
        ),
        ("x.csv", ["a", &numbers, "\n1", &sixteen, "\n"].concat().into()),
        ("x.hea", ["r 200000 1 1\n", &"a 16 1\n".repeat(million / 7)].concat().into()),
    ];
    for (i, (name, file)) in dense.into_iter().enumerate() {
        let (ok, multiple) = read(name, file);
        println!("{i}: {name}: {}, at most {multiple:.1} times its size", if ok { "read" } else { "refused" });
    }
}
