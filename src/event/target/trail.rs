//! The trail that a call of CloudTrail acts on, named by its name or its ARN.

use super::super::json::Node;

/// A trail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::event) struct Trail {
    /// Its name.
    pub(in crate::event) name: String,
    /// ARN: as stated, or built; such a call is only taken in the trail's home region.
    pub(in crate::event) arn: Option<String>,
}

/// The trail that a record names. `scope` is partition, region and account of the call.
pub(super) fn of(root: &Node<'_>, scope: [Option<&str>; 3]) -> Option<Trail> {
    let request = |name: &str| root.text(&format!("requestParameters.{name}"));
    let stated = root.text("responseElements.trailARN");
    let named = request("name").or_else(|| request("trailName")).or(stated)?;
    if let Some(trail) = by_arn(named) {
        return Some(trail);
    }
    let built = match scope {
        [Some(partition), Some(region), Some(account)] => {
            Some(format!("arn:{partition}:cloudtrail:{region}:{account}:trail/{named}"))
        }
        _ => None,
    };
    Some(Trail { name: named.to_owned(), arn: stated.map(str::to_owned).or(built) })
}

/// The trail of an ARN.
pub(super) fn by_arn(arn: &str) -> Option<Trail> {
    let resource = arn.strip_prefix("arn:")?.splitn(5, ':').nth(4)?;
    let name = resource.strip_prefix("trail/")?;
    let is_one = !name.is_empty() && !name.contains('*');
    is_one.then(|| Trail { name: name.to_owned(), arn: Some(arn.to_owned()) })
}

/// The account of a trail's ARN: of an organisation's trail that is the management account.
pub(super) fn account(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| !account.is_empty())
}
