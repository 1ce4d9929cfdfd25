"""A small company, in events: reps, territories and a policy for each routing domain."""

import hashlib
import time

STATES = {
    "west": ["CA", "WA", "OR", "NV"],
    "east": ["NY", "MA", "NJ", "CT"],
    "rest": ["TX", "FL", "IL", "OH", "GA"],
}
INDUSTRIES = ["software", "retail", "health", "finance"]
REPS_A_TERRITORY = 3

POLICY = """
[choice]
method = "{method}"
control_share = 0.0

[sla]
max_hops = 3

[sla.standard]
target_secs = {target}
steps = [{steps}]

[sticky]
window_secs = 0
"""


def now_ms():
    return int(time.time() * 1000)


def at(ms):
    """fastavro takes and gives timestamp-millis as aware datetimes."""
    from datetime import datetime, timezone
    return datetime.fromtimestamp(ms / 1000, tz=timezone.utc)


def policy_text(target, reassign, method="round_robin"):
    steps = ['{ at = 0.5, action = "REMIND" }', '{ at = 1.0, action = "ESCALATE" }']
    if reassign:
        steps.append('{ at = 1.5, action = "REASSIGN" }')
    return POLICY.format(target=target, steps=", ".join(steps), method=method)


def rep_ids(domain, area):
    return [f"{domain}-{area}-{n}" for n in range(REPS_A_TERRITORY)]


def area_of(state):
    return next((area for area, states in STATES.items() if state in states and area != "rest"), "rest")


def reference(domain, target, reassign):
    """(topic, value) of everything that routing needs, in the order in which it makes sense."""
    text = policy_text(target, reassign)
    yield "policy-changed", {
        "event_id": f"{domain}-policy-1", "version": "2026-01", "text": text,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    for area in STATES:
        for rep in rep_ids(domain, area):
            yield "rep-changed", {
                "event_id": f"{rep}-1", "rep_id": rep, "active": True, "manager_id": f"{domain}-manager",
            }
    yield "territory-changed", {
        "event_id": f"{domain}-us-1", "territory_id": f"{domain}-us", "name": "United States",
        "rules": [{"all": [{"field": "country", "op": "IN", "values": ["US"]}]}],
        "members": [{"rep_id": rep} for rep in rep_ids(domain, "rest")],
    }
    for area in ("west", "east"):
        yield "territory-changed", {
            "event_id": f"{domain}-{area}-1", "territory_id": f"{domain}-{area}", "name": area,
            "parent_id": f"{domain}-us",
            "rules": [{"all": [{"field": "state", "op": "IN", "values": STATES[area]}]}],
            "members": [{"rep_id": rep} for rep in rep_ids(domain, area)],
        }


def lead(domain, number, random):
    area = random.choice(list(STATES))
    state = random.choice(STATES[area])
    return {
        "event_id": f"{domain}-lead-{number}-1", "lead_id": f"{domain}-lead-{number}",
        "created_at": at(now_ms()), "country": "US", "state": state,
        "company": f"Company {number}", "email": f"person{number}@example{number % 97}.com",
        "industry": random.choice(INDUSTRIES), "employees": random.choice([10, 200, 5000]),
    }




def expected(domain, state):
    """(territory, reps) that a lead from this state belongs to."""
    area = area_of(state)
    territory = f"{domain}-us" if area == "rest" else f"{domain}-{area}"
    return territory, rep_ids(domain, area)
