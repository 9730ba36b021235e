use super::*;
use ndarray::{Array2, array};

fn number(values: &[f64]) -> Column {
    Column { name: "level_db".into(), values: Values::Number(values.to_vec()) }
}

fn text(values: &[&str]) -> Column {
    Column { name: "ear".into(), values: Values::Text(values.iter().map(|s| s.to_string()).collect()) }
}

fn fit(column: &Column, encoding: ColumnEncoding) -> Result<(ConditionScaler, Vec<String>)> {
    let mut notices = Vec::new();
    let rows: Vec<usize> = (0..column.values.len()).collect();
    let how = How { encoding, categories: None, clip: None, impute: false };
    ConditionScaler::fit("a.csv", column, how, &rows, &mut notices).map(|scaler| (scaler, notices))
}

fn encode(scaler: &ConditionScaler, column: &Column) -> Result<Array2<f32>> {
    let rows: Vec<usize> = (0..column.values.len()).collect();
    let mut out = Array2::zeros((rows.len(), scaler.width()));
    scaler.encode("b.csv", column, &rows, out.view_mut())?;
    Ok(out)
}

#[test]
fn numbers_are_standardised_and_come_back() {
    for encoding in [ColumnEncoding::Standard, ColumnEncoding::Log] {
        let column = number(&[500.0, 1000.0, 2000.0]);
        let (scaler, notices) = fit(&column, encoding).unwrap();
        assert!(notices.is_empty());
        let encoded = encode(&scaler, &column).unwrap();
        // three f32 near 1: 3 * 2^-24 = 2e-7
        assert!(encoded.sum().abs() < 1e-6, "{encoded}");
        if encoding == ColumnEncoding::Log {
            // equal ratios become equal steps: -sqrt(3/2), 0, sqrt(3/2)
            let step = 1.5_f32.sqrt();
            assert!((&encoded - &array![[-step], [0.0], [step]]).iter().all(|d| d.abs() < 1e-6), "{encoded}");
        }
        let Values::Number(back) = scaler.decode(encoded.view()).values else { panic!("numbers stay numbers") };
        // encoded values are f32: rounded by 2^-24, which the deviation and the exponential enlarge a few times
        assert!(back.iter().zip([500.0, 1000.0, 2000.0]).all(|(a, b)| (a / b - 1.0).abs() < 1e-6), "{back:?}");
    }
}

#[test]
fn categories_are_one_hot_and_an_unseen_one_is_refused() {
    let (scaler, _) = fit(&text(&["R", "L", "R"]), ColumnEncoding::OneHot).unwrap();
    assert_eq!(encode(&scaler, &text(&["R", "L"])).unwrap(), array![[0.0, 1.0], [1.0, 0.0]]);
    let decoded = scaler.decode(array![[0.2_f32, 0.7], [-1.0, -2.0]].view());
    assert_eq!(decoded, text(&["R", "L"]));
    let message = encode(&scaler, &text(&["L", "both"])).unwrap_err().to_string();
    assert!(message.contains("b.csv: row 2, column `ear`: the category \"both\""), "{message}");
    assert!(message.contains("use one of L, R"), "{message}");
}

#[test]
fn a_constant_column_is_noticed_and_harmless() {
    // 0.1 three times sums to more than 0.3: a careless deviation would not be 0
    let column = number(&[0.1, 0.1, 0.1]);
    for encoding in [ColumnEncoding::Standard, ColumnEncoding::Log] {
        let (scaler, notices) = fit(&column, encoding).unwrap();
        assert!(notices[0].contains("`level_db` is always 0.1"), "{notices:?}");
        assert_eq!(encode(&scaler, &column).unwrap(), array![[0.0], [0.0], [0.0]]);
        assert!(encode(&scaler, &number(&[0.2])).unwrap()[[0, 0]].abs() < 1.0);
    }
    assert_eq!(fit(&text(&["L", "L"]), ColumnEncoding::OneHot).unwrap().1.len(), 1);
}

#[test]
fn what_cannot_be_encoded_names_the_row() {
    let message = fit(&number(&[10.0, 0.0]), ColumnEncoding::Log).unwrap_err().to_string();
    assert!(message.contains("a.csv: row 2, column `level_db`: 0 has no logarithm"), "{message}");
    let (log, _) = fit(&number(&[1.0, 2.0]), ColumnEncoding::Log).unwrap();
    assert!(encode(&log, &number(&[1.0, 1.0, -1.0])).unwrap_err().to_string().contains("row 3"));
    let (standard, _) = fit(&number(&[1.0, 2.0]), ColumnEncoding::Standard).unwrap();
    assert!(encode(&standard, &number(&[1e300])).unwrap_err().to_string().contains("too far"));
    assert!(fit(&text(&["L"]), ColumnEncoding::Standard).unwrap_err().to_string().contains("\"one_hot\""));
}

#[test]
fn other_columns_are_refused_by_name() {
    let (scaler, _) = fit(&number(&[1.0, 2.0]), ColumnEncoding::Standard).unwrap();
    let message = check_names("b.csv", &[scaler], &[text(&["L"])]).unwrap_err().to_string();
    assert!(message.contains("found ear") && message.contains("trained on level_db"), "{message}");
}

const LEVELS: [f64; 6] = [f64::NAN, 10.0, 20.0, 30.0, 40.0, 1000.0];

fn fit_how(column: &Column, how: How) -> Result<(ConditionScaler, Vec<String>)> {
    let mut notices = Vec::new();
    let rows: Vec<usize> = (0..column.values.len()).collect();
    ConditionScaler::fit("a.csv", column, how, &rows, &mut notices).map(|scaler| (scaler, notices))
}

#[test]
fn what_is_missing_enters_as_the_median_and_says_so() {
    for encoding in [ColumnEncoding::Standard, ColumnEncoding::Log] {
        let how = How { encoding, categories: None, clip: None, impute: true };
        let (scaler, notices) = fit_how(&number(&LEVELS), how).unwrap();
        assert_eq!((scaler.missing, scaler.width()), (Some(30.0), 2));
        assert!(notices[0].contains("`level_db` is missing in 1 training rows") && notices[0].contains("median, 30"));
        let (_, notices) = fit_how(&number(&[f64::NAN, f64::NAN, f64::NAN, 30.0, 10.0]), how).unwrap();
        assert!(notices[0].contains("is missing in 3 training rows"), "{}", notices[0]);
        // mean and deviation are of the five present values
        let (of_present, _) = fit(&number(&LEVELS[1..]), encoding).unwrap();
        assert_eq!(scaler.code, of_present.code);
        let encoded = encode(&scaler, &number(&[f64::NAN, 30.0, 10.0])).unwrap();
        assert_eq!(encoded.column(1).to_vec(), [1.0, 0.0, 0.0]);
        assert_eq!(encoded[[0, 0]], encoded[[1, 0]]);
        assert!(encoded[[2, 0]] < encoded[[0, 0]]);
        let Values::Number(back) = scaler.decode(encoded.view()).values else { panic!("numbers stay numbers") };
        assert!(back.iter().zip([30.0, 30.0, 10.0]).all(|(a, b)| (a / b - 1.0).abs() < 1e-5), "{back:?}");
        assert_eq!(scaler.describe(), "level_db and whether level_db is missing");
    }
    let how = How { encoding: ColumnEncoding::Standard, categories: None, clip: None, impute: true };
    let message = fit_how(&number(&[f64::NAN, f64::NAN]), how).unwrap_err().to_string();
    assert!(message.contains("no training row has a value"), "{message}");
}

#[test]
fn what_is_missing_is_refused_unless_it_was_asked_for() {
    let message = fit(&number(&[20.0, f64::NAN]), ColumnEncoding::Standard).unwrap_err().to_string();
    assert!(
        message.contains("row 2, column `level_db`: empty") && message.contains("data.impute_statics"),
        "{message}"
    );
    let (scaler, _) = fit(&number(&[20.0, 30.0]), ColumnEncoding::Standard).unwrap();
    let message = encode(&scaler, &number(&[20.0, 20.0, f64::NAN])).unwrap_err().to_string();
    assert!(message.contains("b.csv: row 3, column `level_db`: empty"), "{message}");
}

#[test]
fn what_lies_beyond_the_quantiles_enters_as_they_do() {
    for encoding in [ColumnEncoding::Standard, ColumnEncoding::Log] {
        let how = How { encoding, categories: None, clip: Some([0.25, 0.75]), impute: true };
        let (scaler, notices) = fit_how(&number(&LEVELS), how).unwrap();
        assert_eq!(scaler.clip, Some([20.0, 40.0]));
        assert!(notices[0].contains("2 training values beyond 20 and 40 are clipped to these"), "{notices:?}");
        let encoded = encode(&scaler, &number(&[-5.0, 20.0, 25.0, 40.0, 1e9])).unwrap();
        assert_eq!((encoded[[0, 0]], encoded[[4, 0]]), (encoded[[1, 0]], encoded[[3, 0]]));
        assert!(encoded[[1, 0]] < encoded[[2, 0]] && encoded[[2, 0]] < encoded[[3, 0]]);
        // fitted to the clipped values
        let (of_clipped, _) = fit(&number(&[20.0, 20.0, 30.0, 40.0, 40.0]), encoding).unwrap();
        assert_eq!(scaler.code, of_clipped.code);
    }
}

#[test]
fn a_scaler_without_either_is_written_as_it_always_was() {
    let (scaler, _) = fit(&number(&[1.0, 3.0]), ColumnEncoding::Standard).unwrap();
    let text = r#"{"name":"level_db","code":{"standard":{"mean":2.0,"std":1.0}}}"#;
    assert_eq!(serde_json::to_string(&scaler).unwrap(), text);
    assert_eq!(serde_json::from_str::<ConditionScaler>(text).unwrap(), scaler);
}

#[test]
fn listed_categories_keep_their_order_and_those_without_a_training_row_are_noticed() {
    let listed = ["bone", "air", "insert"].map(String::from);
    let how = How { encoding: ColumnEncoding::OneHot, categories: Some(&listed), clip: None, impute: false };
    let (scaler, notices) = fit_how(&text(&["air", "bone", "air"]), how).unwrap();
    assert_eq!(scaler.code, ConditionCode::OneHot(listed.to_vec()));
    assert_eq!(notices, ["column `ear`: no training row has \"insert\": the model cannot learn it"]);
    let encoded = encode(&scaler, &text(&["air", "insert"])).unwrap();
    assert_eq!(encoded, array![[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
}

#[test]
fn numbers_without_a_finite_deviation_are_refused_where_they_stand() {
    let column = number(&[20.0, 1e300, 22.0]);
    let message = fit(&column, ColumnEncoding::Standard).unwrap_err().to_string();
    for part in ["a.csv: row 2, column `level_db`: 1e300 is too large", "empty the cell"] {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    // a sum that overflows, and a quantile between two that are too far apart
    assert!(
        fit(&number(&[1.7e308, 1.7e308, 1.0]), ColumnEncoding::Standard).unwrap_err().to_string().contains("1.7e308")
    );
    let clip = How { encoding: ColumnEncoding::Standard, categories: None, clip: Some([0.1, 0.9]), impute: true };
    assert!(fit_how(&number(&[-1.7e308, 1.7e308]), clip).unwrap_err().to_string().contains("too large"));
    // its logarithm is an ordinary number
    assert!(fit(&column, ColumnEncoding::Log).is_ok());
}
