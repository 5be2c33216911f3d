//! Places around a point or a place.

use super::{
    geo::{point, reply_distance, reply_point, unit},
    set_combine::put_result,
    support::{Outcome, integer, is_word},
};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        geo::{Point, Shape},
        keyspace::{EventClass, Key},
        object::{
            Object, SortedSet, SortedSetRef,
            zset::{ScoreBound, ScoreRange},
        },
    },
    protocol::{Request, number::parse_f64},
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("georadius", georadius),
    ("georadius_ro", georadius_ro),
    ("georadiusbymember", georadiusbymember),
    ("georadiusbymember_ro", georadiusbymember_ro),
    ("geosearch", geosearch),
    ("geosearchstore", geosearchstore),
];

/// Which of the commands it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `GEORADIUS`, which may store.
    Radius { around_member: bool, may_store: bool },
    /// `GEOSEARCH`.
    Search,
    /// `GEOSEARCHSTORE`.
    SearchStore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Ascending,
    Descending,
}

/// What is asked for.
#[derive(Default)]
struct Query<'a> {
    /// Where it is looked; `None` is a member of a set that is not there.
    center: Option<Point>,
    /// By a member or a point, of which a search must have one.
    has_center: bool,
    by_member: bool,
    /// With the metres of its unit.
    shape: Option<(Shape, f64)>,
    with_distance: bool,
    with_hash: bool,
    with_point: bool,
    /// Not the next ones, but any.
    any: bool,
    order: Option<Order>,
    /// 0 is all.
    count: usize,
    store: Option<Key<'a>>,
    /// Distances rather than cells are stored.
    store_distance: bool,
}

/// A place that was found.
struct Found {
    member: Vec<u8>,
    score: f64,
    /// In metres.
    distance: f64,
}

/// The number in argument `at`, which its error calls `name`.
fn size(request: Request<'_>, at: usize, name: &str) -> Result<f64, CommandError> {
    parse_f64(request.arg(at)).ok_or_else(|| CommandError::other(format!("ERR need numeric {name}")))
}

/// The radius in argument `at`, and its unit behind it.
fn circle(request: Request<'_>, at: usize) -> Result<(Shape, f64), CommandError> {
    let radius = size(request, at, "radius")?;
    if radius < 0.0 {
        return Err(CommandError::other("ERR radius cannot be negative"));
    }
    let unit = unit(request.arg(at + 1))?;
    Ok((Shape::Circle(radius * unit), unit))
}

/// Width and height in arguments `at` and `at + 1`, and their unit behind them.
fn rectangle(request: Request<'_>, at: usize) -> Result<(Shape, f64), CommandError> {
    let (width, height) = (size(request, at, "width")?, size(request, at + 1, "height")?);
    if width < 0.0 || height < 0.0 {
        return Err(CommandError::other("ERR height or width cannot be negative"));
    }
    let unit = unit(request.arg(at + 2))?;
    Ok((Shape::Box { width: width * unit, height: height * unit }, unit))
}

/// Where the member in argument `at` is.
fn member(set: SortedSetRef<'_>, request: Request<'_>, at: usize) -> Result<Point, CommandError> {
    let score = set.score(request.arg(at));
    score.map(Point::of_score).ok_or(CommandError::other("ERR could not decode requested zset member"))
}

impl<'a> Query<'a> {
    /// Without a set, members are nowhere, which is no error.
    fn parse(request: Request<'a>, form: Form, set: Option<SortedSetRef<'_>>) -> Result<Self, CommandError> {
        let mut query = Self::default();
        let first = match form {
            Form::Radius { around_member: false, .. } => {
                query.center = Some(point(request, 2)?);
                query.shape = Some(circle(request, 4)?);
                6
            }
            Form::Radius { around_member: true, .. } => {
                if let Some(set) = set {
                    query.center = Some(member(set, request, 2)?);
                    query.shape = Some(circle(request, 3)?);
                }
                5
            }
            Form::Search => 2,
            Form::SearchStore => {
                query.store = Some(Key::new(request.arg(1)));
                3
            }
        };
        query.options(request, form, set, first)?;
        query.check(request, form)?;
        Ok(query)
    }

    fn options(
        &mut self,
        request: Request<'a>,
        form: Form,
        set: Option<SortedSetRef<'_>>,
        first: usize,
    ) -> Result<(), CommandError> {
        let searches = matches!(form, Form::Search | Form::SearchStore);
        let may_store = matches!(form, Form::Radius { may_store: true, .. });
        let mut at = first;
        while let Some(word) = request.get(at) {
            let left = request.len() - at - 1;
            at += 1 + match word {
                word if is_word(word, "WITHDIST") => set_flag(&mut self.with_distance),
                word if is_word(word, "WITHHASH") => set_flag(&mut self.with_hash),
                word if is_word(word, "WITHCOORD") => set_flag(&mut self.with_point),
                word if is_word(word, "ANY") => set_flag(&mut self.any),
                word if is_word(word, "ASC") => {
                    self.order = Some(Order::Ascending);
                    0
                }
                word if is_word(word, "DESC") => {
                    self.order = Some(Order::Descending);
                    0
                }
                word if is_word(word, "COUNT") && left >= 1 => {
                    let count = integer(request.arg(at + 1))?;
                    self.count = usize::try_from(count)
                        .ok()
                        .filter(|&count| count > 0)
                        .ok_or(CommandError::other("ERR COUNT must be > 0"))?;
                    1
                }
                word if may_store && left >= 1 && is_word(word, "STORE") => {
                    self.store = Some(Key::new(request.arg(at + 1)));
                    self.store_distance = false;
                    1
                }
                word if may_store && left >= 1 && is_word(word, "STOREDIST") => {
                    self.store = Some(Key::new(request.arg(at + 1)));
                    self.store_distance = true;
                    1
                }
                word if searches
                    && left >= 1
                    && (self.by_member || !self.has_center)
                    && is_word(word, "FROMMEMBER") =>
                {
                    self.center = set.map(|set| member(set, request, at + 1)).transpose()?;
                    (self.has_center, self.by_member) = (true, true);
                    1
                }
                word if searches && left >= 2 && !self.by_member && is_word(word, "FROMLONLAT") => {
                    self.center = Some(point(request, at + 1)?);
                    self.has_center = true;
                    2
                }
                word if searches
                    && left >= 2
                    && !matches!(self.shape, Some((Shape::Box { .. }, _)))
                    && is_word(word, "BYRADIUS") =>
                {
                    self.shape = Some(circle(request, at + 1)?);
                    2
                }
                word if searches
                    && left >= 3
                    && !matches!(self.shape, Some((Shape::Circle(_), _)))
                    && is_word(word, "BYBOX") =>
                {
                    self.shape = Some(rectangle(request, at + 1)?);
                    3
                }
                word if form == Form::SearchStore && is_word(word, "STOREDIST") => {
                    set_flag(&mut self.store_distance)
                }
                _ => return Err(CommandError::Syntax),
            };
        }
        Ok(())
    }

    fn check(&self, request: Request<'_>, form: Form) -> Result<(), CommandError> {
        let searches = matches!(form, Form::Search | Form::SearchStore);
        if self.store.is_some() && (self.with_distance || self.with_hash || self.with_point) {
            let name = if searches { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            return Err(CommandError::other(format!(
                "ERR {name} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        // The command as the client wrote it.
        let exactly_one = |of: &str| {
            CommandError::Bytes(
                [format!("ERR exactly one of {of} can be specified for ").as_bytes(), request.arg(0)]
                    .concat(),
            )
        };
        if searches && !self.has_center {
            return Err(exactly_one("FROMMEMBER or FROMLONLAT"));
        }
        if searches && self.shape.is_none() {
            return Err(exactly_one("BYRADIUS and BYBOX"));
        }
        if self.any && self.count == 0 {
            return Err(CommandError::other("ERR the ANY argument requires COUNT argument"));
        }
        Ok(())
    }

    /// The places that are asked for, in order.
    fn run(&self, set: SortedSetRef<'_>) -> Vec<Found> {
        let (Some(center), Some((shape, _))) = (self.center, self.shape) else { return Vec::new() };
        let most = if self.any { self.count } else { usize::MAX };
        let mut found = Vec::new();
        for (from, to) in shape.score_ranges(center) {
            let ranks = set.ranks_by_score(&ScoreRange {
                min: ScoreBound { score: from, exclusive: false },
                max: ScoreBound { score: to, exclusive: true },
            });
            for (member, score) in set.range(ranks, false) {
                if found.len() >= most {
                    break;
                }
                if let Some(distance) = shape.distance(center, Point::of_score(score)) {
                    found.push(Found { member: member.to_vec(), score, distance });
                }
            }
        }
        // The first few of no order are of no use, unless any will do.
        let order = self.order.or((self.count > 0 && !self.any).then_some(Order::Ascending));
        match order {
            Some(Order::Ascending) => found.sort_by(|one, two| one.distance.total_cmp(&two.distance)),
            Some(Order::Descending) => found.sort_by(|one, two| two.distance.total_cmp(&one.distance)),
            None => {}
        }
        if self.count > 0 {
            found.truncate(self.count);
        }
        found
    }
}

/// Sets it; no further argument is read.
fn set_flag(flag: &mut bool) -> usize {
    *flag = true;
    0
}

fn georadius(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    run(ctx, request, Form::Radius { around_member: false, may_store: true })
}

fn georadius_ro(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    run(ctx, request, Form::Radius { around_member: false, may_store: false })
}

fn georadiusbymember(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    run(ctx, request, Form::Radius { around_member: true, may_store: true })
}

fn georadiusbymember_ro(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    run(ctx, request, Form::Radius { around_member: true, may_store: false })
}

fn geosearch(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    run(ctx, request, Form::Search)
}

fn geosearchstore(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    run(ctx, request, Form::SearchStore)
}

#[expect(clippy::cast_possible_truncation, reason = "scores of places are integers; Redis cuts others too")]
fn run(ctx: &mut Context<'_>, request: Request<'_>, form: Form) -> Outcome {
    let source = if form == Form::SearchStore { 2 } else { 1 };
    let (key, access, limits) = (ctx.key(request, source), ctx.access(), ctx.node.config.zset_limits());
    let (db, reply) = ctx.db_and_reply();
    let set = db.read_collection::<SortedSet>(key, access)?;
    let query = Query::parse(request, form, set)?;
    let found = set.map(|set| query.run(set)).unwrap_or_default();
    let unit = query.shape.map_or(1.0, |(_, unit)| unit);
    if let Some(target) = query.store {
        let mut result = SortedSet::default();
        for place in &found {
            let score = if query.store_distance { place.distance / unit } else { place.score };
            result.put(&place.member, score, limits);
        }
        let event = if form == Form::SearchStore { "geosearchstore" } else { "georadiusstore" };
        let object = (!found.is_empty()).then_some(Object::SortedSet(result));
        let before = db.changes();
        put_result(db, target, access, object, EventClass::SortedSet, event);
        if !found.is_empty() {
            db.count_as(before, found.len());
        }
        reply.integer(found.len() as i64);
        return Ok(());
    }
    let more =
        [query.with_distance, query.with_hash, query.with_point].into_iter().filter(|&with| with).count();
    reply.array(found.len());
    for place in &found {
        if more > 0 {
            reply.array(1 + more);
        }
        reply.bulk(&place.member);
        if query.with_distance {
            reply_distance(reply, place.distance / unit);
        }
        if query.with_hash {
            reply.integer(place.score as i64);
        }
        if query.with_point {
            reply_point(reply, Point::of_score(place.score));
        }
    }
    Ok(())
}
