//! Files with much structure per byte, and the memory and time that they may take to read.

use abr_film::data::read::read_bytes;

/// Files that make a reader allocate: a megabyte or more with much structure per byte.
pub fn recordings() -> Vec<(&'static str, String)> {
    let million = 1 << 20;
    let header = "Identifier:,x\nSmp. Period:,50\nZero Position:,1\n";
    let biosig = "ABR Group Header  ===\nGroup Number: 1\n";
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
    let ones = ",1".repeat(million / 32);
    let lines: String = labels.map(|label| format!("{label}:{ones}\n")).concat();
    let smartep = format!("Identifier:\n{lines}Data Pnt:,{}\n1{ones}\n", "Average(uV),".repeat(million / 32));
    vec![
        ("x.txt", smartep),
        ("x.txt", [header, &",".repeat(million)].concat()),
        ("x.txt", [header, "Data Pnt:,", &"Average(uV),".repeat(million / 12)].concat()),
        ("x.txt", [biosig, &"Record Number: 1\nNo. Points: 1\n0\n".repeat(million / 34)].concat()),
        ("x.txt", [biosig, "Record Number: 1\n", &"0\n".repeat(million / 2)].concat()),
        ("x", [":RUN-3\tSAMPLE (µsec): 10\n:LEVELS:", &"1;".repeat(million / 2), "\n:DATA\n"].concat()),
        ("x", [":RUN-3\tSAMPLE (µsec): 10\n:LEVELS:1\n:DATA\n", &"1\n".repeat(million / 2)].concat()),
        ("x.hea", ["r 200000 1 1\n", &"a 16 1\n".repeat(million / 7)].concat()),
    ]
}

/// Files of traces of 100 samples or more, which take their memory for numbers.
pub fn long_traces() -> Vec<(&'static str, String)> {
    let numbers = |count: usize| (0..count).map(|i| format!(",{:.4}", (i as f64).sin())).collect::<String>();
    let names = |prefix: &str, count: usize| (0..count).map(|i| format!(",{prefix}{i}")).collect::<String>();
    let table = |prefix: &str, length: usize, rows: usize| {
        let row = format!("S1,60{}\n", numbers(length));
        ("x.csv", format!("subject_id,level_db{}\n{}", names(prefix, length), row.repeat(rows)))
    };
    let down = |columns: usize, times: usize| {
        let row = |i: usize| format!("{:.2}{}\n", i as f64 * 0.05, numbers(columns));
        ("x.csv", format!("time{}\n{}", names("c", columns), (0..times).map(row).collect::<String>()))
    };
    let header = format!("Smp. Period:{}\nZero Position:{}\n", ",50".repeat(100), ",1".repeat(100));
    let smartep: String = (1..=1000).map(|i| format!("{i}{}\n", numbers(100))).collect();
    let smartep = format!("Identifier:,x\n{header}Data Pnt:{}\n{smartep}", ",Average(uV)".repeat(100));
    vec![
        table("s", 100, 1000),
        table("s", 500, 200),
        table("s", 150_000, 1),
        table("", 100, 1000),
        table("", 150_000, 1),
        down(100, 1000),
        down(2000, 100),
        ("x.txt", smartep),
    ]
}

/// The same for tables: many rows, many columns of every kind, many instants.
pub fn tables() -> Vec<(&'static str, String)> {
    let million = 1 << 20;
    let count = |prefix: &str, n: usize| (0..n).map(|i| format!(",{prefix}{i}")).collect::<String>();
    let numbers = count("", 20);
    let sixteen = ",1".repeat(16);
    let rows = |row: &str| [row, "\n"].concat().repeat(million / row.len());
    let time =
        |names: &str, row: &str| format!("time{names}\n{}", (0..16).map(|i| format!("{i}{row}\n")).collect::<String>());
    vec![
        ("x.csv", ["a", &numbers, "\n", &rows(&["1", &sixteen, ",,,,"].concat())].concat()),
        (
            "x.csv",
            ["a", &count("a", 99), &numbers, "\n", &rows(&[",1".repeat(100), ",2".repeat(20)].concat()[1..])].concat(),
        ),
        ("x.csv", ["a", &count("", 150_000), "\n1", &sixteen, "\n"].concat()),
        ("x.csv", ["a", &count("", 150_000), "\n1", &",1".repeat(150_000), "\n"].concat()),
        ("x.csv", ["s0", &count("a", 150_000), "\n1", &",".repeat(150_000), "\n"].concat()),
        ("x.csv", ["a", &count("s", 150_000), "\n1", &",1".repeat(150_000), "\n"].concat()),
        ("x.csv", ["s0", &count("truth_s", 100_000), "\n1", &",1".repeat(100_000), "\n"].concat()),
        ("x.csv", ["s0", &",a".repeat(million / 2), "\n"].concat()),
        ("x.csv", ["s0", &",".repeat(million), "\n1\n"].concat()),
        ("x.csv", ["s0\n1", &",".repeat(million), "\n"].concat()),
        ("x.csv", ["s0\n", &"1\n".repeat(million / 2)].concat()),
        ("x.csv", ["s0", &count("a", 999), "\n", &rows(&["1", &",".repeat(999)].concat())].concat()),
        ("x.csv", ",".repeat(65_535)),
        ("x.csv", [&",".repeat(65_535), "\n"].concat().repeat(20)),
        ("x.csv", time("", "")),
        ("x.csv", ["time", &",a".repeat(million / 2), "\n"].concat()),
        ("x.csv", time(&",a".repeat(million / 32), &",1".repeat(million / 32))),
        ("x.csv", time(&",a".repeat(million / 16), &",".repeat(million / 16))),
        ("x.csv", time(&",".repeat(million / 16), &["1", &",".repeat(million / 16 - 1)].concat())),
        ("x.csv", time(&",a".repeat(10_000), &",1".repeat(10_000))),
        ("x.csv", ["time,a\n", &"1,1\n".repeat(million / 4)].concat()),
        ("x.csv", ["time,a\n", &(0..million / 8).map(|i| format!("{},1\n", i % 16)).collect::<String>()].concat()),
        ("x.csv", ["time,a\n", &(0..million / 8).map(|i| format!("{i},1\n")).collect::<String>()].concat()),
        (
            "x.csv",
            [&["level", &",1".repeat(30_000), "\n"].concat(), &time(&",".repeat(30_000), &",1".repeat(30_000))[..]]
                .concat(),
        ),
    ]
}

/// 100,000 columns take a second at most; a search among all columns for each would take minutes, or days where many
/// mean one thing.
#[test]
fn many_columns_are_read_in_linear_time() {
    let names = |name: &dyn Fn(usize) -> String| (0..100_000).map(name).collect::<String>();
    // different names that mean one column
    let marks = |i: usize| (0..6).map(|place| char::from(b"!#$%&/?~"[i >> (3 * place) & 7])).collect::<String>();
    let (sixteen, ones) = ((0..16).map(|i| format!(",{i}")).collect::<String>(), ",1".repeat(16));
    let others = ",x".repeat(100_000);
    for (what, table) in [
        ("names", format!("b{sixteen}{}\n1{ones}{others}\n", names(&|i| format!(",a{i}")))),
        ("one name", format!("b{sixteen}{}\n1{ones}{others}\n", names(&|i| format!(",a{}", marks(i))))),
        ("samples", format!("s0{}\n1{}\n", names(&|i| format!(",s{}", i + 1)), ",1".repeat(100_000))),
    ] {
        let start = std::time::Instant::now();
        assert_eq!(read_bytes("x.csv", table.into_bytes()).unwrap().len(), 1);
        println!("{what}: {:?}", start.elapsed());
        assert!(start.elapsed().as_secs() < 20, "{what}: {:?}", start.elapsed());
    }
}
