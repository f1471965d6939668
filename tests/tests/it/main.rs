//! What a user is promised, tried on real processes: the built binary, Squid, Chromium, c-icap-client.
//!
//! One file per promise. `rfc3507/` holds the conformance tests, named
//! `rfc3507_<section>_c<number>_<promise>` after the numbered list of promises that they check.

mod a_failed_scan_is_never_clean;
mod access_log_tells_each_transaction;
mod archives_that_libclamav_leaves_closed_are_opened;
mod block_pages_speak_the_users_language;
mod blocked_urls;
mod c_icap_client_agrees;
mod chromium_shows_the_block_page;
mod clamav_test_files_are_never_clean;
mod clamd_scans_where_it_proves_itself;
mod clients_in_the_field_get_what_they_need;
mod command_line_tells_the_verdict;
mod common;
mod connections_end_in_order;
mod detection_matrix;
mod downloads_begin_before_their_verdict;
mod each_client_has_its_share;
mod equal_objects_are_scanned_once;
mod events_reach_the_siem;
mod gateways_and_scanners_are_one;
mod generation_change_under_load;
mod graceful_stop_answers_everything;
mod hash_lists_deny_and_allow;
mod heuristics_have_levels;
mod hostile;
mod icaps_is_icap_over_tls;
mod idle_connections_give_way;
mod import_kse_prints_what_it_can;
mod infected_objects_are_kept;
mod load_balancers_tell_whose_connection_it_is;
mod metrics_are_documented;
mod only_known_clients_are_served;
mod only_the_worker_links_libclamav;
mod overload_is_refused_at_once;
mod policies_tell_why;
mod ranges_bring_no_pieces;
mod reputation_is_asked;
mod rfc3507;
mod rules_add_header_fields;
mod rules_call_hooks;
mod rules_decide_by_more_than_the_verdict;
mod rules_know_what_a_body_is;
mod scaling_follows_the_backlog;
mod settings_change_while_requests_go_on;
mod squid_passes_clean_and_blocks_infected;
mod statistics_tell_what_was_done;
mod traces_tell_where_time_goes;
mod url_lists_block_by_url;
mod verdicts_are_shared;
mod what_is_skipped_is_not_scanned;
mod worker_faults;
mod workers_that_die_or_are_left_cost_little;
mod yara_rules_find_what_they_name;
