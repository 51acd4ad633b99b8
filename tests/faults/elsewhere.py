"""Faults that tests in other folders inject, which need more than a `Place`."""

from faults.registry import Elsewhere

ELSEWHERE = [
    Elsewhere(
        "kill -9 while features are computed",
        "the next run goes on; no more than one shard is lost",
        "unit/test_features.py::test_killed_midway_it_resumes_and_loses_at_most_one_shard",
    ),
    Elsewhere(
        "a disk that is full after some features",
        "… could not be written (No space left on device): make room there, then run again.",
        "unit/test_features.py::test_a_full_disk_is_explained_and_keeps_what_was_done",
    ),
    Elsewhere(
        "half a shard of features, or one of something else",
        "… is damaged (…). Delete it and run again.",
        "unit/test_features.py::test_a_foreign_or_damaged_shard_is_refused",
    ),
    Elsewhere(
        "a file-size limit while photos are decoded",
        "… could not be written (File too large): make room there, then run again.",
        "unit/test_cache.py::test_a_full_disk_is_explained_and_keeps_what_was_done",
    ),
    Elsewhere(
        "two programs that decode the same photos at once",
        "they are decoded once",
        "unit/test_locks.py::test_pixel_cache_twice_at_once_decodes_once",
    ),
    Elsewhere(
        "features that another program is computing",
        "another program is computing features in …: waiting for it …",
        "unit/test_locks.py::test_features_wait_for_another_program",
    ),
    Elsewhere(
        "a search that another program is making",
        "another program is searching in …: wait for it, or choose another folder.",
        "unit/test_locks.py::test_search_in_the_database_of_another_program_is_refused",
    ),
    Elsewhere(
        "a loss that is no number in a later epoch",
        "the val_loss is nan in epoch 3: … The epoch before is kept: …",
        "unit/test_training.py::test_a_loss_that_is_lost_later_leaves_the_epoch_before",
    ),
    Elsewhere(
        "Ctrl-C amid `predict --csv`, and a last row that is cut off",
        "catdog: stopped. Run the same command again to go on.",
        "unit/test_cli.py::test_rows_come_in_order_and_a_part_goes_on",
    ),
    Elsewhere(
        "a model of something else: three classes, no softmax, oblong, one channel",
        "… of cat and dog …, are expected.",
        "unit/test_prediction.py::test_a_model_of_something_else_is_refused_in_a_sentence",
    ),
    Elsewhere(
        "a model file whose list of photos is damaged",
        "…: its catdog.json is damaged (…). Get it again.",
        "unit/test_provenance.py::test_a_foreign_file_says_nothing_and_a_damaged_one_is_named",
    ),
    Elsewhere(
        "an address that drips for longer than its time",
        "… took longer than … s. Try again later.",
        "unit/test_web.py::test_what_is_refused",
    ),
    Elsewhere(
        "an address that redirects into the reader's own network",
        "… redirects into your own network, to …: refused. …",
        "unit/test_web.py::test_a_redirect_from_outside_into_the_own_network_is_refused",
    ),
    Elsewhere(
        "Kaggle breaks off",
        "the download goes on where it stopped",
        "unit/test_sources.py::test_kaggle_resumes_a_broken_connection",
    ),
    Elsewhere(
        "no token for Kaggle, or a wrong one",
        "Kaggle did not accept a token from this computer. To get one: …",
        "unit/test_sources.py::test_kaggle_without_a_valid_token_explains_how_to_get_one",
    ),
    Elsewhere(
        "Kaggle's rules were not accepted",
        "Kaggle refused train.zip (HTTP 403). …",
        "unit/test_sources.py::test_kaggle_rules_not_accepted",
    ),
    Elsewhere(
        "eight who dawdle amid a photo, at `catdog serve`",
        "others are answered; to these: nothing came for … seconds.",
        "browser/test_serve.py::test_who_hangs_up_or_dawdles_costs_the_others_nothing",
    ),
    Elsewhere(
        "more photos at once than may wait",
        "2 photos are waiting already: try again in a moment.",
        "browser/test_serve.py::test_a_full_queue_says_so_at_once_and_loses_nobody",
    ),
    Elsewhere(
        "two hundred photos at once",
        "each gets its own answer; the memory is bounded",
        "browser/test_serve.py::test_two_hundred_at_once_none_lost_and_memory_bounded",
    ),
    Elsewhere(
        "a web address as the body of a request",
        "no photo that can be read; the address is not fetched",
        "browser/test_serve.py::test_a_web_address_as_a_body_is_not_fetched",
    ),
]
