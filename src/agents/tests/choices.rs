//! Which addresses are reached, and which endpoint is chosen.

use std::time::Duration;

use url::Url;

use crate::agents::address::{BadAddress, Reach};
use crate::agents::balance::{Breaker, Gate, least_busy};
use crate::agents::health::Health;
use crate::agents::{Registry, Settings};
use crate::ids::AgentName;
use crate::time::{Clock, Timestamp};

#[test]
fn private_addresses_need_the_operators_word() {
    let reach = Reach::listed(["localhost", "10.0.0.7", "::1", "169.254.1.1"]);
    let check = |url: &str, public: bool, neighbour: bool| {
        let url = Url::parse(url).unwrap();
        assert_eq!(reach.check(&url).is_ok(), public, "{url} from the engine");
        assert_eq!(Reach::Private.check(&url).is_ok(), neighbour, "{url} from a runner");
    };
    check("https://agents.example.com/a2a", true, true);
    check("https://203.0.113.9/", true, true);
    check("http://[2001:db8::1]/", true, true);
    check("http://10.0.0.7:3001/", true, true);
    check("http://[::1]/", true, true);
    check("http://169.254.1.1/", true, false);
    for private in
        ["http://127.0.0.1/", "http://10.0.0.8/", "http://192.168.1.1/", "http://172.31.0.1/", "http://[fd12::1]/"]
    {
        check(private, false, true);
    }
    // The same addresses in disguise.
    for private in [
        "http://2130706433/",
        "http://0x7f.1/",
        "http://[::ffff:7f00:1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
    ] {
        check(private, false, true);
    }
    for never in
        ["http://169.254.169.254/", "http://[fd00:ec2::254]/", "http://[::ffff:a9fe:a9fe]/", "http://[fe80::1]/"]
    {
        check(never, false, false);
    }
    for nowhere in [
        "http://0/",
        "http://0.0.0.0/",
        "http://[::]/",
        "http://255.255.255.255/",
        "http://224.0.0.1/",
        "http://[ff02::1]/",
    ] {
        check(nowhere, false, false);
    }
    for strange in ["file:///etc/passwd", "ftp://example.com/", "https://user@example.com/", "https://u:p@example.com/"]
    {
        check(strange, false, false);
    }
    assert_eq!(reach.check(&Url::parse("http://127.0.0.1/").unwrap()), Err(BadAddress::Range("127.0.0.1".into())));
}

#[test]
fn the_least_busy_for_its_weight_is_chosen() {
    let check = |loads: &[(u32, u32)], expected| assert_eq!(least_busy(loads.iter().copied()), expected, "{loads:?}");
    check(&[], None);
    check(&[(3, 100), (1, 100), (1, 100)], Some(1));
    check(&[(1, 100), (0, 40)], Some(0));
    check(&[(1, 100), (0, 60)], Some(1));
    check(&[(u32::MAX, 1), (7, 0)], Some(1));
}

const START: Timestamp = Timestamp(1_800_000_000_000_000);

fn seconds(n: u64) -> Timestamp {
    START.plus(Duration::from_secs(n))
}

#[test]
fn a_breaker_opens_tries_and_backs_off() {
    let mut breaker = Breaker::default();
    breaker.failed(START);
    breaker.failed(START);
    assert_eq!(breaker.gate(START), Gate::Closed);
    breaker.failed(START);
    assert_eq!(breaker.gate(START), Gate::Open { retry_at: seconds(5) });
    assert_eq!(breaker.gate(seconds(5)), Gate::HalfOpen);
    breaker.begin(seconds(5));
    assert_eq!(breaker.gate(seconds(6)), Gate::Open { retry_at: seconds(35) }, "one trial at a time");
    assert_eq!(breaker.gate(seconds(35)), Gate::HalfOpen, "a trial that was lost is forgotten");
    breaker.failed(seconds(40));
    assert_eq!(breaker.gate(seconds(40)), Gate::Open { retry_at: seconds(50) });
    for _ in 0..100 {
        breaker.failed(seconds(40));
    }
    assert_eq!(breaker.gate(seconds(40)), Gate::Open { retry_at: seconds(340) });
    breaker.answered();
    assert_eq!(breaker.gate(seconds(40)), Gate::Closed);
}

#[test]
fn three_failed_looks_make_it_unhealthy() {
    let mut health = Health::default();
    for second in 0..2 {
        health.checked(Err("refused".into()), seconds(second));
        assert!(health.is_healthy());
    }
    health.checked(Err("no answer within 5 s".into()), seconds(2));
    assert_eq!(health.trouble(), Some((START, "no answer within 5 s", seconds(32))));
    health.checked(Ok(()), seconds(3));
    assert_eq!(health.trouble(), None);
}

fn name(text: &str) -> AgentName {
    text.parse().unwrap()
}

fn settings(agent: &str, endpoints: &[&str], weight_percent: u32) -> Settings {
    Settings {
        name: name(agent),
        endpoints: endpoints.iter().map(|url| Url::parse(url).unwrap()).collect(),
        api_key: None,
        timeout: Duration::from_secs(300),
        max_concurrent: 3,
        retries: 2,
        weight_percent,
        capabilities: vec!["analysis".to_owned()],
    }
}

fn registry(clock: &Clock) -> Registry {
    let settings = vec![
        settings("claude-code", &["http://localhost:3001", "http://localhost:3011/a2a"], 100),
        settings("goose", &["http://localhost:3004"], 70),
        settings("aider", &[], 80),
    ];
    Registry::new(settings, &Reach::listed(["localhost"]), clock.clone()).unwrap()
}

#[test]
fn endpoints_share_the_load_and_keep_their_tasks() {
    let clock = Clock::manual(START);
    let registry = registry(&clock);
    let pick = |others: &[AgentName]| registry.pick(&name("claude-code"), others).unwrap();
    let first = pick(&[]);
    let second = pick(&[]);
    assert_eq!(first.client().endpoint().port(), Some(3001));
    assert_eq!(second.client().endpoint().port(), Some(3011));
    let third = pick(&[name("goose"), name("nobody")]);
    assert_eq!(third.agent().as_str(), "goose");
    drop(second);
    assert_eq!(pick(&[name("goose")]).client().endpoint().port(), Some(3011));
    for _ in 0..3 {
        first.failed("connection refused");
    }
    assert_eq!(pick(&[]).client().endpoint().port(), Some(3011), "the breaker of the first is open");
    let sticky = registry.at(&name("claude-code"), first.client().endpoint()).unwrap();
    assert_eq!(sticky.client().endpoint(), first.client().endpoint());
    assert!(registry.at(&name("claude-code"), &Url::parse("http://localhost:9/").unwrap()).is_none());
}

#[test]
fn an_agent_that_is_not_available_says_why() {
    let clock = Clock::manual(START);
    let registry = registry(&clock);
    let goose = registry.pick(&name("goose"), &[]).unwrap();
    for _ in 0..3 {
        goose.failed("the connection failed: Connection refused");
        clock.jump(Duration::from_secs(1));
    }
    let unavailable = |agent: &str| registry.pick(&name(agent), &[]).unwrap_err();
    assert_eq!(
        unavailable("goose").falling_back_to(Some(name("aider"))).to_string(),
        "Agent not available: goose: http://localhost:3004 since 2027-01-15T08:00:00Z (the connection failed: \
         Connection refused); next try in 4 s; falling back to aider"
    );
    assert_eq!(
        unavailable("aider").to_string(),
        "Agent not available: aider: the settings name no endpoint for it; set AIDER_ENDPOINT; no fallback"
    );
    clock.jump(Duration::from_secs(4));
    let trial = registry.pick(&name("goose"), &[]).unwrap();
    assert!(registry.pick(&name("goose"), &[]).is_err(), "one trial at a time");
    trial.answered();
    assert!(registry.pick(&name("goose"), &[]).is_ok());
}

#[test]
fn settings_that_cannot_be_used_are_told_all_at_once() {
    let settings = vec![
        settings("a", &["http://10.0.0.1", "https://fine.example.com"], 1),
        settings("b", &["https://user:pass@example.com/x?token=1"], 1),
    ];
    let bad = Registry::new(settings, &Reach::listed([]), Clock::manual(START)).unwrap_err();
    let texts: Vec<String> = bad.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "agent a: http://10.0.0.1: 10.0.0.1 is a private or link-local address; list the host as private to allow it",
            "agent b: https://example.com/x: the address holds a user name or password; give the key as a setting of its own",
        ]
    );
}
