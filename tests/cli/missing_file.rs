//! A missing file gives the same message in every command.

use crate::support::Place;

#[test]
fn a_missing_file_is_named_in_the_words_of_the_system() {
    let place = Place::trained("");
    let error = std::fs::metadata(place.path("none")).expect_err("nothing is there");
    let message = format!("cannot read: {error}\n  help: check the path");
    for (command, named) in [
        ("data import none.txt --out out.csv", "none.txt"),
        ("data import table.csv none.csv --out out.csv", "none.csv"),
        ("data inspect none.csv", "none.csv"),
        ("data prepare none.csv --config small.json --out out.csv", "none.csv"),
        ("data prepare table.csv --config none.json --out out.csv", "none.json"),
        ("data synth --config none.json --out out.csv", "none.json"),
        ("train --config none.json --out new", "none.json"),
        ("train --config small.json --data none.csv --out new", "none.csv"),
        ("train --config small.json --data none.npz --out new", "none.npz"),
        ("eval --model none.safetensors", "none.safetensors"),
        ("eval --model run/best.safetensors --data none.csv --split all", "none.csv"),
        ("generate --model none.safetensors --out out.csv", "none.safetensors"),
        ("generate --model run/best.safetensors --conditions none.csv --out out.csv", "none.csv"),
        ("reconstruct --model run/best.safetensors --data none.csv --out out.csv", "none.csv"),
        ("info --model none.safetensors", "none.safetensors"),
        ("info --config none.json", "none.json"),
    ] {
        place.refused(1, command, &[&format!("{named}: {message}")]);
    }
}
