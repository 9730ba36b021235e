//! Waves I to VII: their latency, amplitude and width as functions of level, rate, age, hearing loss and listener, and
//! the trace that they make.
//!
//! The reference condition is a click of 80 dB nHL at 10 clicks/s for a listener of 25 years, averaged over both sexes.
//! The [parent module](super) lists the papers. Numbers are rounded from their figures and tables, and "ours" where no
//! paper gives one.

use super::conditions::{SynthRecording, SynthSubject};

/// One wave in the reference condition, and how the causes change it.
pub(super) struct WaveShape {
    /// Hall 2007; Picton et al. 1981: I–III 2.1, III–V 1.9, I–V 4.0 ms.
    pub latency_ms: f64,
    /// Height of the bump. With the trough after it this gives Hall 2007's peak-to-trough amplitudes of about 0.25 (I,
    /// III) and 0.5 µV (V).
    pub amplitude_uv: f64,
    /// Standard deviation of the bump. Ours, for waves about 1 ms apart and a band that ends at 3 kHz.
    pub width_ms: f64,
    /// Depth of the trough after the wave, as a share of its amplitude (V's is the SN10); ours.
    pub trough: f64,
    /// Factor on wave V's latency shift with level: I is delayed more, so I–V shortens by 0.2 ms (Stockard et al.
    /// 1979).
    pub level_shift: f64,
    /// Growth `(1 - exp(-e / GROWTH_DB))^power`: the early waves disappear first as the level falls (Picton et al.
    /// 1981).
    pub growth_power: f64,
    /// Delay from 10 to 100 clicks/s; V: Don et al. 1977; I and III: smaller, after Hyde et al. 1976.
    pub rate_shift_ms: f64,
    /// Share of the amplitude lost from 10 to 100 clicks/s; V keeps most of it, I about half (Hyde et al. 1976).
    pub rate_loss: f64,
    /// Delay per year; V: 0.2 ms from 25 to 55 years (Jerger & Hall 1980); I less, I–V grows (Rowe 1978).
    pub age_shift_ms: f64,
    /// Share of the amplitude lost per year; V: 10 % from 25 to 55 years (Jerger & Hall 1980); I faster (Konrad-Martin
    /// et al. 2012).
    pub age_loss: f64,
    /// Added for men, subtracted for women; V: 0.2 ms between the sexes (Jerger & Hall 1980), mostly in I–V.
    pub sex_shift_ms: f64,
    /// Amplitude falls to `1/e` at this cochlear loss, apart from audibility: I suffers most (Coats & Martin 1977);
    /// values ours.
    pub cochlear_decay_db: f64,
}

#[rustfmt::skip]
const fn wave(time: [f64; 5], size: [f64; 7]) -> WaveShape {
    let [latency_ms, level_shift, rate_shift_ms, age_shift_ms, sex_shift_ms] = time;
    let [amplitude_uv, width_ms, trough, growth_power, rate_loss, age_loss, cochlear_decay_db] = size;
    WaveShape { latency_ms, amplitude_uv, width_ms, trough, level_shift, growth_power, rate_shift_ms, rate_loss,
        age_shift_ms, age_loss, sex_shift_ms, cochlear_decay_db }
}

/// Waves I to VII.
#[rustfmt::skip]
pub(super) const WAVES: [WaveShape; 7] = [
    // latency level rate  age/yr  sex        height width trough growth rate age/yr cochlear
    wave([1.60, 1.08, 0.15, 0.0030, 0.01], [0.22, 0.20, 0.40, 8.0, 0.50, 0.0070,  60.0]),
    wave([2.75, 1.06, 0.25, 0.0040, 0.03], [0.10, 0.20, 0.30, 8.0, 0.60, 0.0060,  80.0]),
    wave([3.70, 1.03, 0.33, 0.0050, 0.05], [0.22, 0.22, 0.40, 3.0, 0.40, 0.0045, 120.0]),
    wave([4.93, 1.01, 0.43, 0.0060, 0.08], [0.14, 0.22, 0.00, 3.0, 0.40, 0.0045, 150.0]),
    wave([5.60, 1.00, 0.50, 0.0067, 0.10], [0.40, 0.28, 0.45, 1.0, 0.15, 0.0033, 250.0]),
    wave([7.20, 1.00, 0.50, 0.0067, 0.10], [0.10, 0.35, 0.30, 3.0, 0.40, 0.0045, 150.0]),
    wave([8.80, 1.00, 0.50, 0.0067, 0.10], [0.06, 0.40, 0.30, 4.0, 0.50, 0.0045, 150.0]),
];
/// The index of wave V in [`WAVES`].
pub(super) const V: usize = 4;

const ANCHOR_LEVEL_DB: f64 = 80.0;
const ANCHOR_RATE_HZ: f64 = 10.0;
const RATE_SPAN_HZ: f64 = 90.0;
const ANCHOR_AGE_YEARS: f64 = 25.0;

/// Wave V comes `4.9 ms exp(-e / 40 dB)` after its limit of 4.95 ms: at 5.6 ms at 80, 6.0 at 60, 6.8 at 40 and 7.9 at
/// 20 dB nHL, a shift of about 40 µs/dB at moderate levels (our fit to Hecox & Galambos 1974; Picton et al. 1981).
const LEVEL_SHIFT_MS: f64 = 4.9;
const LEVEL_DECAY_DB: f64 = 40.0;
/// With a power of 1, wave V at 10 dB is a quarter of that at 80 dB nHL (Don & Elberling 1996; rounded).
const GROWTH_DB: f64 = 34.0;
/// Bumps broaden by this share for every ms of delay with level; ours.
const BROADENING_PER_MS: f64 = 0.12;
/// Level at which recruitment is complete: loudness and latency equal the normal ear's (Galambos & Hecox 1978;
/// Rosenhamer et al. 1981).
const FULL_RECRUITMENT_DB: f64 = 90.0;
/// Women's amplitudes are 25 % above men's (Jerger & Hall 1980).
const SEX_GAIN: f64 = 1.118;
/// IV may merge with V but not replace it; ours.
const SMALLEST_IV_V_MS: f64 = 0.55;

// Delay and width of the trough after a peak, as multiples of the wave's width; those of the SN10 in ms (Davis & Hirsh
// 1979: a slow negativity about 10 ms after the stimulus near threshold). Values ours.
const TROUGH_DELAY: f64 = 2.3;
const TROUGH_WIDTH: f64 = 1.2;
const SN10_DELAY_MS: f64 = 1.7;
const SN10_WIDTH_MS: f64 = 0.75;

// Neuropathy: an absent or grossly abnormal ABR. Later waves disappear first, I–V is prolonged, waves are broadened
// (Starr et al. 1996; Rance et al. 1999). Values from the mildest to the most severe listener; ours.
const NEUROPATHY_I_V_MS: [f64; 2] = [0.4, 1.4];
const NEUROPATHY_GAIN_I: [f64; 2] = [0.9, 0.3];
const NEUROPATHY_GAIN_V: [f64; 2] = [0.5, 0.03];
const NEUROPATHY_BROADENING: [f64; 2] = [1.2, 1.8];

/// One wave of one recording.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SynthWave {
    pub latency_ms: f64,
    pub amplitude_uv: f64,
    pub width_ms: f64,
}

/// The level that gives the same response in a normal ear, in dB nHL. There is no response at or below 0.
///
/// A conductive loss only attenuates (McGee & Clemis 1982). A cochlear loss `h` raises the threshold to `h`. Above the
/// threshold, the remaining deficit `h (1 - r)²` shrinks fast (recruitment), with `r` from 0 at threshold to 1 at
/// [`FULL_RECRUITMENT_DB`]: latency is near normal about 20 dB above threshold (Galambos & Hecox 1978; Rosenhamer et
/// al. 1981; the square is ours).
pub(super) fn effective_level_db(subject: &SynthSubject, level_db: f64) -> f64 {
    let at_cochlea_db = level_db - subject.conductive_loss_db - subject.sensitivity_db;
    let loss_db = subject.cochlear_loss_db;
    let catching_up = ((at_cochlea_db - loss_db) / (FULL_RECRUITMENT_DB - loss_db)).clamp(0.0, 1.0);
    at_cochlea_db - loss_db * (1.0 - catching_up).powi(2)
}

/// Waves I to VII of a listener in one recording.
pub(super) fn waves(subject: &SynthSubject, recording: &SynthRecording) -> [SynthWave; 7] {
    let level_db = effective_level_db(subject, recording.level_db);
    let mut waves: [SynthWave; 7] = std::array::from_fn(|i| wave_of(i, subject, recording, level_db));
    waves[V - 1].latency_ms = waves[V - 1].latency_ms.min(waves[V].latency_ms - SMALLEST_IV_V_MS);
    waves
}

fn wave_of(index: usize, subject: &SynthSubject, recording: &SynthRecording, level_db: f64) -> SynthWave {
    let shape = &WAVES[index];
    let sex = if subject.female { -1.0 } else { 1.0 };
    let years = subject.age_years - ANCHOR_AGE_YEARS;
    let crowding = (recording.rate_hz - ANCHOR_RATE_HZ) / RATE_SPAN_HZ;
    let nerve = neuropathy(index, subject.neuropathy);

    let delay = |level_db: f64| LEVEL_SHIFT_MS * (-level_db / LEVEL_DECAY_DB).exp();
    let level_shift_ms = subject.latency_slope * (delay(level_db.max(0.0)) - delay(ANCHOR_LEVEL_DB));
    let latency_ms = shape.latency_ms
        + shape.level_shift * level_shift_ms
        + shape.rate_shift_ms * crowding
        + shape.age_shift_ms * years
        + shape.sex_shift_ms * sex
        + subject.latency_offsets_ms[index]
        + recording.retest_latency_ms
        + nerve.delay_ms;

    let growth = |level_db: f64| (1.0 - (-level_db.max(0.0) / GROWTH_DB).exp()).powf(shape.growth_power);
    let amplitude_uv = shape.amplitude_uv
        * (growth(level_db) / growth(ANCHOR_LEVEL_DB))
        * (1.0 - shape.rate_loss * crowding)
        * (1.0 - shape.age_loss * years)
        * SEX_GAIN.powf(-sex)
        * (-subject.cochlear_loss_db / shape.cochlear_decay_db).exp()
        * subject.gains[index]
        * recording.retest_gain
        * nerve.gain;

    let width_ms = shape.width_ms * subject.width * nerve.width * (1.0 + BROADENING_PER_MS * level_shift_ms.max(0.0));
    SynthWave { latency_ms, amplitude_uv, width_ms }
}

struct Nerve {
    delay_ms: f64,
    gain: f64,
    width: f64,
}

/// The effect of a neuropathy of the given severity on a wave. It grows along the pathway.
fn neuropathy(index: usize, severity: Option<f64>) -> Nerve {
    let Some(severity) = severity else { return Nerve { delay_ms: 0.0, gain: 1.0, width: 1.0 } };
    let upward = (index as f64 / V as f64).min(1.0);
    let at = |range: [f64; 2]| range[0] + severity * (range[1] - range[0]);
    Nerve {
        delay_ms: upward * at(NEUROPATHY_I_V_MS),
        gain: at(NEUROPATHY_GAIN_I).powf(1.0 - upward) * at(NEUROPATHY_GAIN_V).powf(upward),
        width: at(NEUROPATHY_BROADENING),
    }
}

/// The noise-free trace in µV. Every wave is a Gaussian bump followed by a trough; wave V is followed by the SN10.
///
/// The spectra of the bumps lie within the recording band of 100 to 3000 Hz, so no filter is needed.
pub(super) fn trace(waves: &[SynthWave; 7], sn10_gain: f64, length: usize, sample_rate_hz: f64) -> Vec<f64> {
    let mut trace = vec![0.0; length];
    let mut add = |centre_ms: f64, height_uv: f64, width_ms: f64| {
        for (i, sample) in trace.iter_mut().enumerate() {
            let u = (i as f64 * 1000.0 / sample_rate_hz - centre_ms) / width_ms;
            *sample += height_uv * (-0.5 * u * u).exp();
        }
    };
    for (i, (wave, shape)) in waves.iter().zip(&WAVES).enumerate() {
        add(wave.latency_ms, wave.amplitude_uv, wave.width_ms);
        let depth_uv = -shape.trough * wave.amplitude_uv;
        if i == V {
            let stretch = wave.width_ms / shape.width_ms;
            add(wave.latency_ms + SN10_DELAY_MS * stretch, depth_uv * sn10_gain, SN10_WIDTH_MS * stretch);
        } else {
            add(wave.latency_ms + TROUGH_DELAY * wave.width_ms, depth_uv, TROUGH_WIDTH * wave.width_ms);
        }
    }
    trace
}
