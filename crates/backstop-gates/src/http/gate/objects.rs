//! Objects as scopes name them.

use backstop_core::effect::Analysis;

/// A kind alone is any of that kind: no scope for one thing covers it.
pub(super) fn any_of_a_kind(analysis: &mut Analysis) {
    for effect in &mut analysis.effects {
        if let Some(object) = &mut effect.object
            && !object.contains('.')
        {
            object.push_str(".\"*\"");
        }
    }
}
