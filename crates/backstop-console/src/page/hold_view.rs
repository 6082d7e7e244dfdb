//! One hold, laid out for a decision in ten seconds: what it destroys first, the facts of the gate next, the
//! agent's own words apart.

use backstop_core::action::Ask;
use backstop_core::effect::{Bound, Effect, EffectKind, Verb};
use backstop_core::hold::{Hold, HoldRecord, HoldState, HoldText};
use backstop_core::rehearsal::Ended;
use backstop_store::{State, StoreError};

use crate::ask::{Kind, Particular, particulars};
use crate::show::{self, Piece};
use crate::state::Console;
use crate::words::{self, Moment};

/// Everything the page shows.
pub(crate) struct View {
    pub(crate) id: String,
    pub(crate) digest: String,
    pub(crate) summary: Vec<Piece>,
    pub(crate) question: &'static str,
    pub(crate) state: &'static str,
    pub(crate) open: bool,
    pub(crate) outcome: String,
    /// The words that went with a no.
    pub(crate) denial: Vec<Piece>,
    pub(crate) environment: &'static str,
    pub(crate) target: String,
    pub(crate) lease: Option<LeaseView>,
    pub(crate) worst: &'static str,
    /// What is asked for, in words; empty for a statement.
    pub(crate) asked: Vec<AskedView>,
    pub(crate) text: TextView,
    pub(crate) effects: Vec<EffectView>,
    pub(crate) incomplete: Vec<Vec<Piece>>,
    pub(crate) binding: Option<BindingView>,
    /// Whether it is something that the agent does, and not something that it is given.
    pub(crate) acts: bool,
    pub(crate) rule: String,
    pub(crate) reason: String,
    pub(crate) recoverable: String,
    pub(crate) rehearsed: Option<RehearsedView>,
    pub(crate) people: u8,
    pub(crate) yes: Vec<String>,
    pub(crate) already: bool,
    /// Approved by fewer people than required: it can be stopped until it counts.
    pub(crate) announced: bool,
    /// A lease that was approved and that nobody has been handed yet.
    pub(crate) to_fetch: bool,
    pub(crate) requested: Moment,
    pub(crate) decide_by: Moment,
    pub(crate) decide_by_ms: i64,
    pub(crate) left: String,
    pub(crate) execute_within: String,
    pub(crate) delay: Option<String>,
    pub(crate) repeats: u32,
}

/// What it did on a drill's copy. The copy's keeper says so, and not the gate: names in it are others' text.
pub(crate) struct RehearsedView {
    /// How old the copy is, by the gate's own journal.
    pub(crate) from: Option<Moment>,
    pub(crate) sentence: String,
    pub(crate) ran: bool,
    pub(crate) tables: Vec<RowsView>,
    pub(crate) gone: Vec<Vec<Piece>>,
    pub(crate) gone_more: u64,
    pub(crate) locks: Vec<(Vec<Piece>, Vec<Piece>, &'static str)>,
    pub(crate) undo: String,
}

/// What was done to the rows of one table there.
pub(crate) struct RowsView {
    pub(crate) table: Vec<Piece>,
    pub(crate) inserted: String,
    pub(crate) updated: String,
    pub(crate) deleted: String,
}

/// The lease that asks.
pub(crate) struct LeaseView {
    pub(crate) id: String,
    pub(crate) task: Vec<Piece>,
    pub(crate) scopes: Vec<String>,
    pub(crate) denials: u32,
}

/// One line of what is asked for.
pub(crate) struct AskedView {
    /// Empty where it is the one of the line before.
    pub(crate) label: &'static str,
    pub(crate) text: Vec<Piece>,
    pub(crate) kind: Kind,
}

/// The sealed text, opened; each list is empty when there is nothing of the kind.
#[derive(Default)]
pub(crate) struct TextView {
    /// Why there is none.
    pub(crate) missing: Option<String>,
    pub(crate) fragments: Vec<Vec<Piece>>,
    pub(crate) statement: Vec<Piece>,
    pub(crate) marked: bool,
    pub(crate) parameters: Vec<Option<Vec<Piece>>>,
    pub(crate) earlier: Vec<Vec<Piece>>,
    pub(crate) known: Vec<Vec<Piece>>,
    pub(crate) agent_words: Vec<Piece>,
}

/// One line of the effects table.
pub(crate) struct EffectView {
    pub(crate) kind: &'static str,
    pub(crate) what: String,
    pub(crate) object: Vec<Piece>,
    pub(crate) rows: String,
    pub(crate) back: &'static str,
    pub(crate) because: Vec<Piece>,
}

/// What else gives the statement its meaning.
pub(crate) struct BindingView {
    pub(crate) role: Vec<Piece>,
    pub(crate) search_path: Vec<Piece>,
    pub(crate) objects: Vec<Vec<Piece>>,
}

/// Builds the view of a hold for `person`.
pub(crate) fn view(console: &Console, record: &HoldRecord, person: &str) -> View {
    let text = console.store().hold_text(&record.hold.id);
    let state = console.store().state();
    let now_ms = console.store().now_ms();
    let hold = &record.hold;
    let name = |id: &str| {
        state
            .people
            .get(id)
            .map_or_else(|| id.to_owned(), |person| person.name.clone())
    };
    let yes = match &record.state {
        HoldState::Waiting { yes } | HoldState::Approved { yes, .. } => yes.as_slice(),
        _ => &[],
    };
    let worst = hold
        .effects
        .iter()
        .map(|effect| effect.kind)
        .max()
        .unwrap_or(EffectKind::Read);
    let open = record.state.is_open() && now_ms < hold.decide_by_ms;
    View {
        id: hold.id.clone(),
        digest: hold.digest.to_hex(),
        summary: show::names(&hold.summary),
        question: question(&hold.ask),
        state: if record.state.is_open() && !open {
            "expired"
        } else {
            record.state.word()
        },
        open,
        outcome: words::outcome(&record.state, name, now_ms),
        denial: match &record.state {
            HoldState::Denied { reason, .. } => show::plain(reason),
            _ => vec![],
        },
        environment: hold.environment.word(),
        target: hold.target.clone().unwrap_or_default(),
        lease: lease_view(hold, &state),
        worst: worst.word(),
        asked: asked(&hold.ask, &state),
        text: text_view(text, matches!(hold.ask, Ask::Sql { .. })),
        effects: effects(hold),
        incomplete: hold.incomplete.iter().map(|why| show::names(why)).collect(),
        binding: binding(&hold.ask),
        acts: matches!(hold.ask, Ask::Sql { .. } | Ask::Http { .. }),
        rule: hold.rule.clone(),
        reason: hold.reason.clone(),
        recoverable: hold.recoverable_all(),
        rehearsed: rehearsed(record, &state, now_ms),
        people: hold.people,
        yes: yes.iter().map(|y| name(&y.person)).collect(),
        already: yes.iter().any(|y| y.person == person),
        announced: matches!(record.state, HoldState::Approved { from_ms, .. } if now_ms < from_ms),
        to_fetch: matches!(
            (&hold.ask, &record.state),
            (Ask::GrantLease { .. }, HoldState::Approved { .. })
        ),
        requested: words::moment(hold.requested_ms, now_ms),
        decide_by: words::moment(hold.decide_by_ms, now_ms),
        decide_by_ms: hold.decide_by_ms,
        left: words::span(hold.decide_by_ms.saturating_sub(now_ms)),
        execute_within: words::span(hold.execute_within_ms),
        delay: (state.people.len() < usize::from(hold.people)).then(|| words::span(hold.delay_ms)),
        repeats: record.repeats,
    }
}

const fn question(ask: &Ask) -> &'static str {
    match ask {
        Ask::Sql { .. } | Ask::Http { .. } => "Let the agent do this, once?",
        Ask::GrantLease { .. } => "Give an agent this lease?",
        Ask::Undo { .. } => "Undo what these leases did, once?",
        Ask::Resume { .. } => "Let what was halted act again?",
        Ask::Unfreeze => "Lift the freeze?",
        Ask::AcceptPoint { .. } => "Is all of this as it should be?",
        Ask::AddPerson { .. } => "Let this person decide, too?",
        Ask::AddPasskey { .. } => "Let this person enrol another passkey?",
    }
}

fn asked(ask: &Ask, state: &State) -> Vec<AskedView> {
    let mut before = "";
    let line = |one: Particular| {
        let label = if one.label == before { "" } else { one.label };
        before = one.label;
        AskedView {
            label,
            text: match one.kind {
                Kind::Words => show::plain(&one.text),
                _ => show::names(&one.text),
            },
            kind: one.kind,
        }
    };
    particulars(ask, state).into_iter().map(line).collect()
}

fn rehearsed(record: &HoldRecord, state: &State, now_ms: i64) -> Option<RehearsedView> {
    let told = record.rehearsed.as_ref()?;
    let points = record
        .hold
        .target
        .as_ref()
        .and_then(|t| state.points.get(t));
    let point = told.point.and_then(|name| points?.find(name));
    Some(RehearsedView {
        from: point.map(|record| words::moment(record.point.taken_ms, now_ms)),
        sentence: capitalised(&told.sentence()),
        ran: told.end == Ended::Ran,
        tables: told
            .tables
            .iter()
            .map(|one| RowsView {
                table: show::names(&one.table),
                inserted: words::thousands(one.inserted),
                updated: words::thousands(one.updated),
                deleted: words::thousands(one.deleted),
            })
            .collect(),
        gone: told.gone.iter().map(|name| show::names(name)).collect(),
        gone_more: told.gone_more,
        locks: told
            .locks
            .iter()
            .map(|lock| {
                (
                    show::names(&lock.relation),
                    show::names(&lock.mode),
                    lock.meaning(),
                )
            })
            .collect(),
        undo: told.undo.sentence(),
    })
}

/// A sentence that stands for itself.
fn capitalised(sentence: &str) -> String {
    let mut letters = sentence.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn lease_view(hold: &Hold, state: &State) -> Option<LeaseView> {
    let record = state.leases.get(hold.lease.as_ref()?)?;
    Some(LeaseView {
        id: record.lease.id.clone(),
        task: show::plain(&record.lease.spec.task),
        scopes: record.lease.spec.may_do(),
        denials: record.denials,
    })
}

fn text_view(text: Result<Option<HoldText>, StoreError>, sql: bool) -> TextView {
    let text = match text {
        Ok(Some(text)) => text,
        Ok(None) => {
            return TextView {
                missing: Some("the statement was erased".to_owned()),
                ..TextView::default()
            };
        }
        Err(error) => {
            tracing::error!(%error, "the text of a hold cannot be read");
            return TextView {
                missing: Some("the statement cannot be read; deny it".to_owned()),
                ..TextView::default()
            };
        }
    };
    let pieces = |t: &str| {
        if sql {
            show::sql(t, &[])
        } else {
            show::plain(t)
        }
    };
    let statement = if sql {
        show::sql(&text.statement, &text.destructive)
    } else {
        show::plain(&text.statement)
    };
    TextView {
        missing: None,
        fragments: show::fragments(&text.statement, &text.destructive),
        marked: show::has_marks(&statement),
        statement,
        parameters: text
            .parameters
            .iter()
            .map(|p| p.as_deref().map(show::plain))
            .collect(),
        earlier: text.earlier.iter().map(|t| pieces(t)).collect(),
        known: text.known.iter().map(|t| show::plain(t)).collect(),
        agent_words: show::plain(&text.agent_words),
    }
}

/// Worst first, so that the first line says it.
fn effects(hold: &Hold) -> Vec<EffectView> {
    let mut sorted: Vec<&Effect> = hold.effects.iter().collect();
    sorted.sort_by_key(|effect| std::cmp::Reverse(effect.kind));
    let unit = match hold.ask {
        Ask::Http { .. } => "object",
        _ => "row",
    };
    sorted
        .into_iter()
        .map(|effect| effect_view(effect, unit))
        .collect()
}

/// `unit` is what its bound counts.
fn effect_view(effect: &Effect, unit: &str) -> EffectView {
    let reads = effect.kind == EffectKind::Read;
    EffectView {
        kind: effect.kind.word(),
        what: format!("{:?}", effect.verb).to_uppercase(),
        object: effect
            .object
            .as_deref()
            .map(show::names)
            .unwrap_or_default(),
        rows: match (effect.bound, effect.verb) {
            _ if reads => "–".to_owned(),
            (Bound::Structure, Verb::Drop | Verb::Truncate) => "all of it".to_owned(),
            (bound, _) => words::touched(bound, unit),
        },
        back: match effect.reversible {
            _ if reads => "nothing to undo",
            true => "can be undone",
            false => "cannot be undone",
        },
        because: effect
            .because
            .as_deref()
            .map(show::names)
            .unwrap_or_default(),
    }
}

fn binding(ask: &Ask) -> Option<BindingView> {
    let Ask::Sql { binding } = ask else {
        return None;
    };
    Some(BindingView {
        role: show::names(&binding.role),
        search_path: show::names(&binding.search_path.join(", ")),
        objects: binding
            .objects
            .iter()
            .map(|object| show::names(object))
            .collect(),
    })
}
