//! Where the time of a training step goes, by kind of work and by op: `cargo bench --bench profile`.
//!
//! A device that times each call stands between the model and the CPU; a step without it is measured beside that. On
//! one thread, unless `ABR_FILM_THREADS` says otherwise: then the time of an op is that of its calls, however many
//! threads help.

use abr_film::engine::device::{
    AdamBuffers, AdamSettings, Buffer, Clip, Cpu, Device, NormHandles, Role, ScalarHandle, ScalarValues, Target, Ticket,
};
use abr_film::engine::op::AnyOp;
use abr_film::engine::tensor::Shape;
use abr_film::error::Result;
use common::bench::trainer::trainer;
use common::bench::{BATCHES, inside, median, seconds, threads_or};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Steps in a median, and the uncounted steps before them.
const STEPS: usize = 40;
const WARM_UP: usize = 5;

/// Seconds by kind of work: the name of an op and its direction, or `adam`, `norm`.
type Spent = BTreeMap<(&'static str, &'static str), f64>;

/// [`Cpu`] with a record of the seconds spent since the record was last cleared.
struct Clock {
    cpu: Cpu<f32>,
    spent: Arc<Mutex<Spent>>,
}

impl Clock {
    fn timed<R>(&mut self, what: (&'static str, &'static str), work: impl FnOnce(&mut Cpu<f32>) -> R) -> R {
        let mut result = None;
        let time = seconds(|| result = Some(work(&mut self.cpu)));
        *self.spent.lock().expect("one thread at a time").entry(what).or_default() += time;
        result.expect("work was done")
    }
}

impl Device for Clock {
    fn name(&self) -> String {
        self.cpu.name()
    }

    fn alloc(&mut self, role: Role, shapes: &[Shape]) -> Result<Vec<Buffer>> {
        self.cpu.alloc(role, shapes)
    }

    fn view(&mut self, of: Buffer, offset: usize, shape: Shape) -> Buffer {
        self.cpu.view(of, offset, shape)
    }

    fn reshape(&mut self, buffers: &[Buffer], shapes: &[Shape]) -> Result<()> {
        self.cpu.reshape(buffers, shapes)
    }

    fn write(&mut self, to: Buffer, values: &[f32]) {
        self.cpu.write(to, values);
    }

    fn read(&self, from: Buffer, values: &mut [f32]) -> Result<()> {
        self.cpu.read(from, values)
    }

    fn zero(&mut self, buffer: Buffer) {
        self.cpu.zero(buffer);
    }

    fn copy(&mut self, from: Buffer, to: Buffer) {
        self.cpu.copy(from, to);
    }

    fn forward(&mut self, op: &AnyOp, inputs: &[Buffer], outputs: &[Buffer]) {
        self.timed((op.name(), "forward"), |cpu| cpu.forward(op, inputs, outputs));
    }

    fn backward(
        &mut self,
        op: &AnyOp,
        inputs: &[Buffer],
        outputs: &[Buffer],
        doutput: Buffer,
        dinputs: &[Option<Target>],
    ) {
        self.timed((op.name(), "backward"), |cpu| cpu.backward(op, inputs, outputs, doutput, dinputs));
    }

    fn norms(&mut self, groups: &[Vec<Buffer>]) -> Result<NormHandles> {
        self.timed(("norms", ""), |cpu| cpu.norms(groups))
    }

    fn adam(&mut self, step: u64, settings: &AdamSettings, clip: Option<Clip>, parameters: &[AdamBuffers]) {
        self.timed(("adam", ""), |cpu| cpu.adam(step, settings, clip, parameters));
    }

    fn readback(&mut self, scalars: &[ScalarHandle]) -> Result<Ticket> {
        self.cpu.readback(scalars)
    }

    fn wait(&mut self, ticket: Ticket, values: &mut ScalarValues) -> Result<()> {
        self.cpu.wait(ticket, values)
    }
}

/// The kinds of work, in the order of the table.
const KINDS: [&str; 4] = ["GEMM", "element-wise", "optimizer", "rest"];

fn kind(what: &str) -> &'static str {
    match what {
        "linear" | "linear_relu" | "grouped_linear" => KINDS[0],
        "adam" | "norms" => KINDS[2],
        "rest" => KINDS[3],
        _ => KINDS[1],
    }
}

/// Medians in seconds: of the parts of a step, and as `step` of whole steps, both timed and as in a training. The
/// `rest` belongs to no part: it gathers batches, draws noise, copies values and runs the tape.
fn profile(batch: usize) -> Result<Spent> {
    let spent = Arc::new(Mutex::new(Spent::new()));
    let mut trainer = trainer(true, batch, Box::new(Clock { cpu: Cpu::new(), spent: spent.clone() }))?;
    let mut all: BTreeMap<_, Vec<f64>> = BTreeMap::new();
    for step in 0..WARM_UP + STEPS {
        let whole = seconds(|| trainer.step(0, batch).expect("a step"));
        let mut parts = std::mem::take(&mut *spent.lock().expect("one thread at a time"));
        let accounted: f64 = parts.values().sum();
        parts.extend([(("rest", ""), whole - accounted), (("step", ""), whole)]);
        if step >= WARM_UP {
            parts.into_iter().for_each(|(what, time)| all.entry(what).or_default().push(time));
        }
    }
    let mut trainer = self::trainer(true, batch, Box::new(Cpu::<f32>::new()))?;
    let whole = (0..WARM_UP + STEPS).map(|_| seconds(|| trainer.step(0, batch).expect("a step")));
    all.insert(("step", "in training"), whole.skip(WARM_UP).collect());
    Ok(all.into_iter().map(|(what, times)| (what, median(times))).collect())
}

/// The sum of all parts, the denominator of the shares. The median of whole steps is above it where the machine
/// interrupts many of them.
fn parts_of(spent: &Spent) -> f64 {
    spent.iter().filter(|(what, _)| what.0 != "step").map(|(_, time)| time).sum()
}

fn line(name: &str, cells: impl Iterator<Item = String>) {
    println!("{name:<24}{}", cells.map(|cell| format!("{cell:>18}")).collect::<String>());
}

fn main() -> Result<()> {
    // does nothing unless cargo bench runs it
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let pool = threads_or(1);
    let parts = inside(&pool, || BATCHES.iter().map(|batch| profile(*batch)).collect::<Result<Vec<Spent>>>())?;
    let cell = |spent: &Spent, time: f64| format!("{:.2} ms {:>4.1} %", 1e3 * time, 100.0 * time / parts_of(spent));
    let threads = pool.current_num_threads();
    println!(
        "a step of the documented model, {threads} threads, medians of {STEPS} steps, and shares of the parts' sum:"
    );
    line("rows", BATCHES.iter().map(|batch| format!("{batch}        ")));
    for which in ["in training", ""] {
        line(&format!("step {which}"), parts.iter().map(|spent| cell(spent, spent[&("step", which)])));
    }
    for group in KINDS {
        let of_kind = |spent: &Spent| {
            spent.iter().filter(|(what, _)| what.0 != "step" && kind(what.0) == group).map(|(_, t)| t).sum()
        };
        line(group, parts.iter().map(|spent| cell(spent, of_kind(spent))));
    }
    println!("by op:");
    for what in parts[0].keys().filter(|what| !["step", "rest"].contains(&what.0)) {
        line(&format!("{} {}", what.0, what.1), parts.iter().map(|spent| cell(spent, spent[what])));
    }
    Ok(())
}
