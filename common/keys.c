/* SPDX-License-Identifier: MIT */
/*
 * The key table. In: a section and a name. Out: the row, or what may have been
 * meant. Always true: every default is a value that the row itself accepts
 * (tests/unit/test_config.c walks the table).
 */
#include "common/keys.h"

#include <stdio.h>
#include <string.h>

#include "common/config.h"

#define KIB       1024ull
#define MIB       (1024 * KIB)
#define SECOND_MS 1000ull
#define HOUR_MS   (3600 * SECOND_MS)

/* A unix socket's path has room for 107 bytes, and the longest name of ours in it is /control.sock. */
#define RUNTIME_DIR_MAX (107 - 13)

#define KEY(SECTION, section_name, key_name) \
    .section = LB_SECTION_##SECTION, .name = (key_name), .path = section_name "." key_name
#define FIELD(type, field) \
    .offset = offsetof(struct type, field), .size = sizeof(((struct type *)NULL)->field)

_Static_assert(sizeof(enum lb_overload) == sizeof(int) && sizeof(enum lb_level) == sizeof(int),
               "choices are stored as int");

/* clang-format off: a row reads as a paragraph */
static const struct lb_key keys[] = {
    { KEY(AGENT, "agent", "hostname"), LB_KEY_TEMPLATE, FIELD(lb_config, hostname), .dflt = "%hostname",
      .max = 255,
      .help = "The name that every record bears. Expands %hostname, %machine_id, %serial (of the board), "
              "$NAME from "
              "the environment and @/path, the text of a file; %% and $$ stand for % and $." },
    { KEY(AGENT, "agent", "tags"), LB_KEY_TEMPLATE, FIELD(lb_config, tags), .dflt = "",
      .help = "Tags of every record: k:v,k:v. Expands what hostname expands." },
    { KEY(AGENT, "agent", "runtime_dir"), LB_KEY_PATH, FIELD(lb_config, runtime_dir), .dflt = "/run/logboom",
      .max = RUNTIME_DIR_MAX, .reload = LB_RELOAD_RESTART,
      .help = "Where sockets, staging and ring live. Must be on tmpfs, or the log lines wear the card." },
    { KEY(AGENT, "agent", "stop_timeout"), LB_KEY_DURATION, FIELD(lb_config, stop_timeout_ms), .dflt = "10s",
      .max = HOUR_MS, .off_never = "a stop must end; 0s keeps everything for the next start",
      .help = "How long a stop may go on shipping. What is left then stays in RAM for the next start." },

    { KEY(LOG, "log", "level"), LB_KEY_LEVEL, FIELD(lb_config, log_level), .dflt = "info",
      .help = "The least severe of logboomd's own messages on stderr." },

    { KEY(CAPTURE, "capture", "max_line"), LB_KEY_SIZE, FIELD(lb_capture_config, max_line_bytes),
      .dflt = "64K", .min = 256, .max = 128 * KIB, .is_per_service = true,
      .off_never = "a line is held in RAM while it grows", .help = "A longer line is cut here and marked." },
    { KEY(CAPTURE, "capture", "max_stall"), LB_KEY_DURATION, FIELD(lb_capture_config, max_stall_ms),
      .dflt = "25ms", .max = 60 * SECOND_MS, .is_per_service = true,
      .off_means = "no bound, as overload = wait", .off_value = LB_OFF,
      .help = "With overload = shed: the longest that one write() of the app waits while nothing moves." },
    { KEY(CAPTURE, "capture", "overload"), LB_KEY_CHOICE, FIELD(lb_capture_config, overload), .dflt = "shed",
      .choices = "shed|wait", .is_per_service = true,
      .help = "When lines come faster than the sink takes them: shed drops what finds no room, counts it and "
              "tells "
              "it in a receipt; wait holds up the app, for batch jobs." },
    { KEY(CAPTURE, "capture", "stdout_level"), LB_KEY_LEVEL, FIELD(lb_capture_config, stdout_level),
      .dflt = "info", .is_per_service = true,
      .help = "Level of a line on stdout that does not tell its own." },
    { KEY(CAPTURE, "capture", "stderr_level"), LB_KEY_LEVEL, FIELD(lb_capture_config, stderr_level),
      .dflt = "info", .is_per_service = true,
      .help = "Level of a line on stderr that does not tell its own. Python logs to stderr whatever the "
              "level is." },
    { KEY(CAPTURE, "capture", "max_streams"), LB_KEY_NUMBER, FIELD(lb_config, max_streams), .dflt = "256",
      .min = 1, .max = 4096, .unit = "streams", .reload = LB_RELOAD_RESTART,
      .off_never = "each stream takes memory, and that has a ceiling",
      .help = "Pipes read at a time, shared evenly among the users of the machine." },
    { KEY(CAPTURE, "capture", "staging"), LB_KEY_SIZE, FIELD(lb_config, staging_bytes), .dflt = "2M",
      .min = 256 * KIB, .max = 64 * MIB, .reload = LB_RELOAD_RESTART,
      .off_never = "every byte passes through it",
      .help =
          "RAM for bytes that were read and are not records yet. At least four times the longest max_line." },
    { KEY(CAPTURE, "capture", "pipe_size"), LB_KEY_SIZE, FIELD(lb_config, pipe_size_bytes), .dflt = "256K",
      .min = 4 * KIB, .max = MIB, .off_means = "pipes stay as they are", .off_value = 0,
      .help = "What a pipe is widened to, so that a burst does not wait for the agent's next turn." },

    { KEY(RING, "ring", "size"), LB_KEY_SIZE, FIELD(lb_config, ring_bytes), .dflt = "4M", .min = 256 * KIB,
      .max = 256 * MIB, .reload = LB_RELOAD_RESTART, .off_never = "every record passes through it",
      .help = "RAM for records that wait for the sink. At least three times the longest max_line." },
    { KEY(RING, "ring", "lock"), LB_KEY_BOOL, FIELD(lb_config, ring_lock), .dflt = "yes",
      .reload = LB_RELOAD_RESTART,
      .help = "Keep staging and ring out of swap, which may be on the card. Where that is not allowed, "
              "status says so." },
    { KEY(RING, "ring", "urgent"), LB_KEY_LEVEL, FIELD(lb_config, ring_urgent), .dflt = "warning",
      .help =
          "Records of this level and worse are urgent: they leave after urgent_wait and are given up last." },

    { KEY(SERVICE, "service", "tags"), LB_KEY_TEMPLATE, FIELD(lb_service_config, tags), .dflt = "",
      .help = "Tags of this service's records, beside those of [agent]." },
    { KEY(SERVICE, "service", "source"), LB_KEY_TEXT, FIELD(lb_service_config, source), .dflt = "python",
      .max = 128, .help = "The ddsource of its records, by which Datadog picks a pipeline." },

    { KEY(SINK, "sink", "type"), LB_KEY_WORD, FIELD(lb_sink_config, type), .dflt = "", .sample = "datadog",
      .choices = "datadog|file", .is_required = true,
      .help = "Where records go: datadog ships them to Datadog's log intake, file appends them to a file." },
    { KEY(SINK, "sink", "url"), LB_KEY_URL, FIELD(lb_sink_config, url), .dflt = "", .sink_type = "datadog",
      .help = "The intake's full address, for a proxy or a test. Without it site decides." },
    { KEY(SINK, "sink", "site"), LB_KEY_HOST, FIELD(lb_sink_config, site), .dflt = "datadoghq.com",
      .max = 253, .sink_type = "datadog",
      .help = "Datadog's site: datadoghq.com, datadoghq.eu, us3.datadoghq.com ..." },
    { KEY(SINK, "sink", "api_key_file"), LB_KEY_PATH, FIELD(lb_sink_config, api_key_file), .dflt = "",
      .sample = "/etc/logboom/api_key", .sink_type = "datadog",
      .help = "File that holds the API key and nothing else, mode 0600. Where it is not there: api_key of "
              "$CREDENTIALS_DIRECTORY (LoadCredential= of systemd), then $DD_API_KEY." },
    { KEY(SINK, "sink", "compression"), LB_KEY_CHOICE, FIELD(lb_sink_config, compression), .dflt = "zstd",
      .choices = "none|gzip|zstd", .sink_type = "datadog", .help = "How bodies are packed on the wire." },
    { KEY(SINK, "sink", "level"), LB_KEY_NUMBER, FIELD(lb_sink_config, level), .dflt = "1", .min = 1,
      .max = 19, .unit = "as zstd counts; gzip takes at most 9", .sink_type = "datadog",
      .help = "How hard to compress. Every step costs CPU and memory; logboomd -t tells how much memory." },
    { KEY(SINK, "sink", "sequence"), LB_KEY_CHOICE, FIELD(lb_sink_config, sequence), .dflt = "batch",
      .choices = "off|batch|all",
      .help =
          "Numbers by which the receiver can prove that it has all: batch puts them on the first record of a "
          "body, all on every record (the default of a file sink), off on none." },
    { KEY(SINK, "sink", "body_bytes"), LB_KEY_SIZE, FIELD(lb_sink_config, body_bytes), .dflt = "256K",
      .min = 16 * KIB, .max = 4 * MIB, .off_never = "a body is built in RAM",
      .help = "A body is closed at this size, before compression." },
    { KEY(SINK, "sink", "body_lines"), LB_KEY_NUMBER, FIELD(lb_sink_config, body_lines), .dflt = "1000",
      .min = 1, .max = 1000, .unit = "records", .off_means = "1000, the most that an intake takes",
      .off_value = 1000, .help = "A body is closed at this many records." },
    { KEY(SINK, "sink", "wait"), LB_KEY_DURATION, FIELD(lb_sink_config, wait_ms), .dflt = "15s",
      .max = HOUR_MS, .off_never = "a quiet service's lines would never leave; 1h is the most",
      .help = "A body is closed when its first record has waited this long. Longer packs better." },
    { KEY(SINK, "sink", "urgent_wait"), LB_KEY_DURATION, FIELD(lb_sink_config, urgent_wait_ms), .dflt = "2s",
      .max = HOUR_MS, .off_means = "an urgent record waits like any other", .off_value = LB_OFF,
      .help = "The same for a body that holds an urgent record." },
    { KEY(SINK, "sink", "concurrency"), LB_KEY_NUMBER, FIELD(lb_sink_config, concurrency), .dflt = "2",
      .min = 1, .max = 8, .unit = "bodies", .reload = LB_RELOAD_RESTART,
      .off_never = "each body takes memory, and that has a ceiling", .help = "Bodies in flight at a time." },
    { KEY(SINK, "sink", "timeout"), LB_KEY_DURATION, FIELD(lb_sink_config, timeout_ms), .dflt = "30s",
      .min = 100, .max = HOUR_MS, .off_never = "a request that never ends would keep its body for ever",
      .sink_type = "datadog", .help = "A request without an answer is given up and tried again." },
    { KEY(SINK, "sink", "retry_min"), LB_KEY_DURATION, FIELD(lb_sink_config, retry_min_ms), .dflt = "1s",
      .min = 10, .max = HOUR_MS, .off_never = "a sink in trouble needs a pause",
      .help = "The first pause after a failure. It doubles with each further one, and a random part of it is "
              "taken." },
    { KEY(SINK, "sink", "retry_max"), LB_KEY_DURATION, FIELD(lb_sink_config, retry_max_ms), .dflt = "5m",
      .min = 10, .max = 24 * HOUR_MS, .off_never = "the pause would grow until nothing is tried any more",
      .help = "The longest pause. Not below retry_min." },
    { KEY(SINK, "sink", "tls_ca"), LB_KEY_PATH, FIELD(lb_sink_config, tls_ca), .dflt = "",
      .sink_type = "datadog", .help = "File of CA certificates to trust. Without it: those of the system." },
    { KEY(SINK, "sink", "path"), LB_KEY_PATH, FIELD(lb_sink_config, path), .dflt = "", .sink_type = "file",
      .help = "The file that a sink of type file appends to, one JSON object a line. It needs one." },
};

static const struct lb_key_section_info sections[LB_SECTION_COUNT] = {
    [LB_SECTION_AGENT] = { "agent", NULL, false, "Who this device is, and where the agent lives." },
    [LB_SECTION_LOG] = { "log", NULL, false, "What logboomd says about itself." },
    [LB_SECTION_CAPTURE] = { "capture", NULL, false,
                             "How lines are read from the apps. A [service NAME] may set most of these for "
                             "itself." },
    [LB_SECTION_RING] = { "ring", NULL, false,
                          "The queue between the apps and the sink: a file in RAM, which "
                          "outlives the agent." },
    [LB_SECTION_SERVICE] = { "service", "checkout", true,
                             "One service, by the name that -s gave it (or its systemd unit, or its "
                             "program). Repeat the section for each; "
                             "a service without one has the defaults." },
    [LB_SECTION_SINK] = { "sink", "datadog", false,
                          "Where the records go. Exactly one sink, under a name of yours." },
};
/* clang-format on */

#define KEY_COUNT  (sizeof keys / sizeof keys[0])
#define NAME_BOUND 32 /* longer names are not compared, nor repeated in full */

const struct lb_key *lb_keys(size_t *ret_count)
{
    *ret_count = KEY_COUNT;
    return keys;
}

const struct lb_key_section_info *lb_key_section_info(enum lb_key_section section)
{
    return &sections[section];
}

bool lb_key_is_in(const struct lb_key *key, enum lb_key_section section)
{
    return key->section == section || (section == LB_SECTION_SERVICE && key->is_per_service);
}

const struct lb_key *lb_key_find(enum lb_key_section section, const char *name)
{
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (lb_key_is_in(&keys[i], section) && strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

/* Letters to insert, delete or change to make one of the other; NAME_BOUND where a name is that long. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_BOUND + 1];
    size_t a_len = strlen(a), b_len = strlen(b);

    if (a_len >= NAME_BOUND || b_len >= NAME_BOUND)
        return NAME_BOUND;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[b_len];
}

/* A short name may be two letters away from anything: at least half of it must be right. */
static bool is_near(const char *name, const char *known, size_t *best)
{
    size_t apart = distance(name, known);

    if (apart > 2 || apart >= *best || 2 * apart > strlen(known))
        return false;
    *best = apart;
    return true;
}

void lb_key_explain_unknown(enum lb_key_section section, const char *name, char *why, size_t size)
{
    const struct lb_key *elsewhere = NULL, *nearest = NULL;
    const char *here = sections[section].name;
    size_t best = NAME_BOUND;

    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (!elsewhere && strcmp(keys[i].name, name) == 0)
            elsewhere = &keys[i];
        if (lb_key_is_in(&keys[i], section) && is_near(name, keys[i].name, &best))
            nearest = &keys[i];
    }
    if (elsewhere)
        snprintf(why, size, "unknown key \"%s\" in [%s]: it belongs in [%s%s]", name, here,
                 sections[elsewhere->section].name, sections[elsewhere->section].sample_name ? " NAME" : "");
    else if (nearest)
        snprintf(why, size, "unknown key \"%s\" in [%s]: is %s meant?", name, here, nearest->name);
    else
        snprintf(why, size, "unknown key \"%.*s%s\" in [%s]", NAME_BOUND, name,
                 strlen(name) > NAME_BOUND ? "..." : "", here);
}

void lb_key_explain_unknown_section(const char *kind, char *why, size_t size)
{
    const char *nearest = NULL;
    size_t best = NAME_BOUND;

    for (size_t i = 0; i < LB_SECTION_COUNT; i++)
        if (is_near(kind, sections[i].name, &best))
            nearest = sections[i].name;
    if (nearest)
        snprintf(why, size, "unknown section [%s]: is [%s] meant?", kind, nearest);
    else
        snprintf(why, size, "unknown section [%.*s%s]", NAME_BOUND, kind,
                 strlen(kind) > NAME_BOUND ? "..." : "");
}
