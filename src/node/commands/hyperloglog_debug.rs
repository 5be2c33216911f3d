//! Looking inside estimates, and testing the estimator: for tests.

use super::{
    hyperloglog::{put, with_log},
    support::{Outcome, as_c_string},
};
use crate::{
    node::context::{CommandError, Context, Handler},
    protocol::Request,
    values::hyperloglog::{self, Corrupt, no_registers},
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("pfdebug", pfdebug), ("pfselftest", pfselftest)];

fn pfdebug(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (key, access) = (ctx.key(request, 2), ctx.access());
    let (db, reply) = ctx.db_and_reply();
    let value = db.read_string(key, access)?;
    let value = value.ok_or(CommandError::other("ERR The specified key does not exist"))?;
    let mut log = with_log(value, <[u8]>::to_vec)?;
    let is_dense = hyperloglog::is_dense(&log);
    let word = request.arg(1).to_ascii_lowercase();
    match word.as_slice() {
        b"getreg" => {
            let mut registers = no_registers();
            hyperloglog::merge(&log, &mut registers)?;
            if !is_dense {
                hyperloglog::make_dense(&mut log)?;
                put(db, key, access, &log);
            }
            reply.array(registers.len());
            registers.iter().for_each(|&register| reply.integer(register.into()));
        }
        b"decode" if is_dense => return Err(CommandError::other("ERR HLL encoding is not sparse")),
        b"decode" => reply.bulk(hyperloglog::shown(&log)),
        b"encoding" => reply.simple(if is_dense { "dense" } else { "sparse" }),
        b"todense" => {
            if !is_dense {
                hyperloglog::make_dense(&mut log)?;
                put(db, key, access, &log);
            }
            reply.integer(i64::from(!is_dense));
        }
        _ => {
            let word = as_c_string(request.arg(1));
            return Err(CommandError::Bytes([b"ERR Unknown PFDEBUG subcommand '", word, b"'"].concat()));
        }
    }
    Ok(())
}

/// How far an estimate may be off, in standard errors.
const ERRORS: f64 = 6.0;
/// Elements of the test.
const ELEMENTS: u64 = 100_000;
/// Bytes of the sparse one, before it becomes dense too.
const SPARSE_MAX: usize = 3000;

/// Dense and sparse forms of the same elements are the same estimate, and near the truth all the time.
fn pfselftest(ctx: &mut Context<'_>, _: Request<'_>) -> Outcome {
    let tested = tested().map_err(CommandError::from)?;
    tested.map_err(|text| CommandError::other(format!("ERR TESTFAILED {text}")))?;
    ctx.reply.ok();
    Ok(())
}

fn tested() -> Result<Result<(), String>, Corrupt> {
    let standard_error = 1.04 / (no_registers().len() as f64).sqrt();
    let seed = fastrand::u64(..);
    let (mut dense, mut sparse) = (hyperloglog::empty(), hyperloglog::empty());
    hyperloglog::make_dense(&mut dense)?;
    let mut checkpoint = 1;
    for number in 1..=ELEMENTS {
        let (index, value) = hyperloglog::register_of(&(seed ^ number).to_le_bytes());
        hyperloglog::raise_dense(&mut dense, index, value);
        hyperloglog::raise(&mut sparse, index, value, SPARSE_MAX)?;
        if hyperloglog::dense_register(&dense, index) < value {
            return Ok(Err(format!("Register {index} should be at least {value}")));
        }
        if number != checkpoint {
            continue;
        }
        checkpoint *= 10;
        let (mut of_dense, mut of_sparse) = (no_registers(), no_registers());
        hyperloglog::merge(&dense, &mut of_dense)?;
        hyperloglog::merge(&sparse, &mut of_sparse)?;
        if of_dense != of_sparse {
            return Ok(Err("dense/sparse disagree".to_owned()));
        }
        let estimate = hyperloglog::estimate(&of_dense);
        let off = estimate.abs_diff(number) as f64;
        // Of few elements it is exact but for those that fell together.
        if off > (ERRORS * standard_error * number as f64).max(2.0) {
            return Ok(Err(format!("Too big error. card:{number} abserr:{off} estimate:{estimate}")));
        }
    }
    Ok(Ok(()))
}
