//! What has to hold of hooks, and between them and the rules that call them.

use super::{Checker, check_word};
use crate::{Config, ExecHook, HookSettings, HookTarget, Problem, Rule, RuleHook};
use std::collections::BTreeMap;
use std::time::Duration;

// === impl HookSettings ===

impl HookSettings {
    /// Everything that is wrong with `hooks`, each with its path.
    pub fn check(&self) -> Result<(), Vec<Problem>> {
        let mut problems = Vec::new();
        self.check_into(&mut Checker { path: "hooks".to_owned(), problems: &mut problems });
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    pub(super) fn check_into(&self, here: &mut Checker<'_>) {
        here.count("exec", self.exec.len(), 0, Self::MAX_EXEC);
        let mut names = BTreeMap::new();
        for (index, hook) in self.exec.iter().enumerate().take(Self::MAX_EXEC) {
            let mut here = here.at(&format!("exec[{index}]"));
            hook.check(&mut here);
            if let Some(first) = names.get(hook.name.as_str()) {
                here.report("name", format!("\"{}\" is already taken by exec[{first}]", hook.name));
            } else {
                names.insert(hook.name.as_str(), index);
            }
        }
        here.count("http.allowedHosts", self.http.allowed_hosts.len(), 0, Self::MAX_HOSTS);
        lasts(here, "http.timeout", self.http.timeout);
        if self.http.ca_file.as_ref().is_some_and(|path| !path.is_absolute()) {
            here.report("http.caFile", "is not an absolute path");
        }
        here.within("queue", self.queue, 1, Self::MAX_QUEUE);
        here.within("concurrency", self.concurrency, 1, Self::MAX_CONCURRENCY);
    }

    /// What is wrong with one hook of a rule: only what is listed here can be called.
    fn check_target(&self, hook: &RuleHook, here: &mut Checker<'_>) {
        match hook.target() {
            None => here.report("", "name exactly one of exec and http"),
            Some(HookTarget::Exec(name)) if !self.exec.iter().any(|known| known.name == name) => {
                let known: Vec<_> = self.exec.iter().map(|known| known.name.as_str()).collect();
                let there_are = match known.as_slice() {
                    [] => "there are none".to_owned(),
                    names => format!("there are: {}", names.join(", ")),
                };
                here.report("exec", format!("there is no \"{name}\" in `hooks.exec`; {there_are}"));
            }
            Some(HookTarget::Http(url)) if !self.http.allows(url) => {
                let message = format!(
                    "{} at port {} is not in `hooks.http.allowedHosts`; nothing else may be called",
                    url.host(),
                    url.port()
                );
                here.report("http.url", message);
            }
            Some(_) => {}
        }
    }
}

fn lasts(here: &mut Checker<'_>, field: &str, time: Duration) {
    here.lasts(field, time, Duration::from_millis(100), Duration::from_mins(5));
}

// === impl ExecHook ===

impl ExecHook {
    fn check(&self, here: &mut Checker<'_>) {
        check_word(here, "name", &self.name);
        if !self.command.is_absolute() {
            here.report("command", "is not an absolute path");
        }
        here.count("args", self.args.len(), 0, HookSettings::MAX_ARGS);
        lasts(here, "timeout", self.timeout);
    }
}

// === impl Config ===

impl Config {
    /// Every hook that rules call is one of those in `hooks`.
    pub(super) fn check_hooks(&self, root: &mut Checker<'_>) {
        self.hooks.check_into(&mut root.at("hooks"));
        for (index, policy) in self.policies.iter().enumerate().take(Self::MAX_ENTRIES) {
            for (place, rule) in policy.rules.iter().enumerate().take(Self::MAX_RULES) {
                let hooks = rule.hooks.iter().enumerate().take(RuleHook::MAX);
                for (number, hook) in hooks {
                    let path = format!("policies[{index}].rules[{place}].hooks[{number}]");
                    self.hooks.check_target(hook, &mut root.at(&path));
                }
            }
        }
    }
}

// === impl Rule ===

impl Rule {
    /// What can be told without `hooks`.
    pub(super) fn check_hooks(&self, here: &mut Checker<'_>) {
        here.count("hooks", self.hooks.len(), 0, RuleHook::MAX);
        for (index, hook) in self.hooks.iter().enumerate().take(RuleHook::MAX) {
            if self.hooks.iter().take(index).any(|other| other == hook) {
                here.report(&format!("hooks[{index}]"), "is there twice");
            }
        }
    }
}
