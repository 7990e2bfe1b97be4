/* SPDX-License-Identifier: MIT */
/*
 * The key table. In: nothing. Out: its rows. Always true: every default is a
 * value that the row itself accepts (tests/unit/test_config.c walks the table).
 */
#include "common/keys.h"

#include <stdio.h>
#include <string.h>

#include "common/config.h"
#include "common/config_load.h"

#define KIB       1024ull
#define MIB       (1024 * KIB)
#define SECOND_MS 1000ull
#define HOUR_MS   (3600 * SECOND_MS)
#define RATE_MAX  (1024 * MIB * 86400) /* a day */
#define DAY_MS    (24 * HOUR_MS)

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
    { KEY(CAPTURE, "capture", "multiline"), LB_KEY_CHOICE, FIELD(lb_capture_config, multiline),
      .dflt = "python", .choices = "off|indent|python", .is_per_service = true,
      .help =
          "Which lines become one record: python joins tracebacks, warnings and indented lines, indent only "
          "the latter." },
    { KEY(CAPTURE, "capture", "join_timeout"), LB_KEY_DURATION, FIELD(lb_capture_config, join_timeout_ms),
      .dflt = "1s", .min = 10, .max = 60 * SECOND_MS, .is_per_service = true,
      .off_means = "it waits until another line, or the end, tells", .off_value = LB_OFF,
      .help = "How long a traceback that was begun waits for its next line. Ordinary lines do not wait." },
    { KEY(CAPTURE, "capture", "join_bytes"), LB_KEY_SIZE, FIELD(lb_capture_config, join_bytes), .dflt = "64K",
      .min = 256, .max = 128 * KIB, .is_per_service = true,
      .off_never = "what is joined is held in RAM while it grows",
      .help = "The most that is joined. What is longer becomes several records, all marked cut." },
    { KEY(CAPTURE, "capture", "join_lines"), LB_KEY_NUMBER, FIELD(lb_capture_config, join_lines),
      .dflt = "1000", .min = 2, .max = 100000, .unit = "lines", .is_per_service = true,
      .off_means = "join_bytes alone decides", .off_value = 100000, .help = "The same in lines." },
    { KEY(CAPTURE, "capture", "ansi"), LB_KEY_CHOICE, FIELD(lb_capture_config, ansi), .dflt = "strip",
      .choices = "strip|keep", .is_per_service = true,
      .help = "Terminal colours in the text. The level is read through them either way." },
    { KEY(CAPTURE, "capture", "repeat_window"), LB_KEY_DURATION, FIELD(lb_capture_config, repeat_window_ms),
      .dflt = "10m", .min = SECOND_MS, .max = 24 * HOUR_MS, .is_per_service = true,
      .off_means = "every error is sent whole", .off_value = 0,
      .help =
          "An error that comes again within this time, with the same type and the same frames, is counted "
          "in one record instead of sent again." },
    { KEY(CAPTURE, "capture", "python_stdout"), LB_KEY_CHOICE, FIELD(lb_capture_config, python_stdout),
      .dflt = "line", .choices = "unbuffered|line|keep", .is_per_service = true,
      .help = "What logboom run does so that print() of a Python program is not held back: line makes stdout "
              "line-buffered, unbuffered sets PYTHONUNBUFFERED=1 (more writes, and lines of several "
              "processes can "
              "tear), keep leaves it alone." },
    { KEY(CAPTURE, "capture", "syslog"), LB_KEY_BOOL, FIELD(lb_config, has_syslog), .dflt = "yes",
      .reload = LB_RELOAD_RESTART,
      .help = "Take datagrams on syslog.sock: what SysLogHandler, syslog(3), Docker and journald send." },
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

    { KEY(THROTTLE, "throttle", "min_level"), LB_KEY_LEVEL, FIELD(lb_throttle_config, min_level),
      .dflt = "debug", .is_per_service = true, .off_means = "no record is too little",
      .off_value = LB_LEVEL_DEBUG,
      .help = "A record that is less severe is held, and sent only as the context of an error." },
    { KEY(THROTTLE, "throttle", "rate"), LB_KEY_RATE, FIELD(lb_throttle_config, rate_per_day),
      .dflt = "500/s", .min = 1, .max = RATE_MAX, .is_per_service = true, .off_means = "no limit",
      .off_value = LB_OFF, .help = "Lines that a service may send, on average. What is beyond is held." },
    { KEY(THROTTLE, "throttle", "burst"), LB_KEY_NUMBER, FIELD(lb_throttle_config, burst), .dflt = "5000",
      .min = 1, .max = 100000000, .unit = "lines", .is_per_service = true,
      .off_means = "1, rate alone decides", .off_value = 1, .help = "And how many of them at once." },
    { KEY(THROTTLE, "throttle", "bytes"), LB_KEY_RATE, FIELD(lb_throttle_config, bytes_per_day),
      .dflt = "off", .min = 1, .max = RATE_MAX, .is_per_service = true, .off_means = "no limit",
      .off_value = LB_OFF,
      .help = "The same in bytes of text; at once: what the rate gives in a minute, and 64K at least." },
    { KEY(THROTTLE, "throttle", "pattern_rate"), LB_KEY_RATE, FIELD(lb_throttle_config, pattern_rate_per_day),
      .dflt = "20/s", .min = 1, .max = RATE_MAX, .is_per_service = true, .off_means = "no limit",
      .off_value = LB_OFF,
      .help =
          "Records of one pattern that a service may send, on average. Of what is beyond one in so many is "
          "sent: see sample. A pattern is a line with its numbers, addresses, names and times taken out." },
    { KEY(THROTTLE, "throttle", "pattern_burst"), LB_KEY_NUMBER, FIELD(lb_throttle_config, pattern_burst),
      .dflt = "200", .min = 1, .max = 100000000, .unit = "records", .is_per_service = true,
      .off_means = "1, pattern_rate alone decides", .off_value = 1, .help = "And how many of them at once." },
    { KEY(THROTTLE, "throttle", "sample"), LB_KEY_SHARE, FIELD(lb_throttle_config, sample), .dflt = "1/100",
      .min = 1, .max = 1000000, .is_per_service = true, .off_means = "nothing beyond pattern_rate is sent",
      .off_value = 0, .help = "The share that is sent of what is beyond pattern_rate." },
    { KEY(THROTTLE, "throttle", "floor"), LB_KEY_LEVEL, FIELD(lb_throttle_config, floor), .dflt = "warning",
      .is_per_service = true, .off_means = "rate and sample are for all", .off_value = LB_OFF,
      .help = "Records of this level and worse are never sampled, and have a rate of their own." },
    { KEY(THROTTLE, "throttle", "floor_rate"), LB_KEY_RATE, FIELD(lb_throttle_config, floor_rate_per_day),
      .dflt = "50/s", .min = 1, .max = RATE_MAX, .is_per_service = true, .off_means = "no limit",
      .off_value = LB_OFF,
      .help =
          "Lines of such records that a service may send, on average: a storm of errors must not empty the "
          "data plan." },
    { KEY(THROTTLE, "throttle", "floor_burst"), LB_KEY_NUMBER, FIELD(lb_throttle_config, floor_burst),
      .dflt = "500", .min = 1, .max = 100000000, .unit = "lines", .is_per_service = true,
      .off_means = "1, floor_rate alone decides", .off_value = 1, .help = "And how many of them at once." },
    { KEY(THROTTLE, "throttle", "collapse"), LB_KEY_DURATION, FIELD(lb_throttle_config, collapse_ms),
      .dflt = "30s", .min = 10, .max = 24 * HOUR_MS, .is_per_service = true, .off_means = "each one is sent",
      .off_value = 0,
      .help = "Records of a stream that say the same, one after the other within this time, but for the time "
              "stamp in front: the first is sent, the others are counted in one record." },
    { KEY(THROTTLE, "throttle", "max_patterns"), LB_KEY_NUMBER, FIELD(lb_throttle_config, max_patterns),
      .dflt = "512", .min = 1, .max = 2048, .unit = "patterns", .is_per_service = true,
      .off_means = "patterns are not told apart", .off_value = 0,
      .help = "Patterns of a service that are known at a time. The one that was not seen for longest goes." },
    { KEY(THROTTLE, "throttle", "trigger"), LB_KEY_LEVEL, FIELD(lb_throttle_config, trigger), .dflt = "error",
      .is_per_service = true, .off_means = "nothing but a traceback and a bad end does", .off_value = LB_OFF,
      .help =
          "A record of this level or worse, a traceback or a bad end of the service brings along what was "
          "held of it before." },
    { KEY(THROTTLE, "throttle", "context"), LB_KEY_DURATION, FIELD(lb_throttle_config, context_ms),
      .dflt = "30s", .max = 24 * HOUR_MS, .is_per_service = true, .off_means = "nothing is brought along",
      .off_value = 0, .help = "As far back as this," },
    { KEY(THROTTLE, "throttle", "context_bytes"), LB_KEY_SIZE, FIELD(lb_throttle_config, context_bytes),
      .dflt = "256K", .max = 4 * MIB, .is_per_service = true, .off_means = "nothing is brought along",
      .off_value = 0,
      .help =
          "and as much as this. It is the most of [held] that a service takes, too; and twice as much is the "
          "most that is brought along within the time of context." },
    { KEY(THROTTLE, "throttle", "drop NAME"), LB_KEY_RULES, FIELD(lb_throttle_config, drop), .dflt = "",
      .example = "\"GET /health", .is_per_service = true,
      .help =
          "Records that match this pattern (PCRE2) are dropped, and counted: under a name of yours, one key "
          "for each. In a [service NAME]: beside those of [throttle], instead of one of the same name." },
    { KEY(THROTTLE, "throttle", "keep NAME"), LB_KEY_RULES, FIELD(lb_throttle_config, keep), .dflt = "",
      .example = "payment .* refused", .is_per_service = true,
      .help = "Records that match are neither dropped, nor too little for min_level, nor sampled: they are "
              "limited as those of the floor." },

    { KEY(THROTTLE, "throttle", "quota"), LB_KEY_QUOTA, FIELD(lb_throttle_config, quota), .dflt = "off",
      .min = 64 * KIB, .max = 1024 * 1024 * MIB, .is_per_service = true, .off_means = "no limit",
      .help =
          "Bytes on the wire that each service may cost in a day or a month, by UTC: 50M/day, 500M/month. As "
          "they run short known patterns are sampled, then only new ones are sent, then errors alone." },
    { KEY(THROTTLE, "throttle", "pressure"), LB_KEY_BOOL, FIELD(lb_throttle_config, has_pressure),
      .dflt = "yes", .is_per_service = true,
      .help = "As queue (70, 85, 95 %) or memory fill: hold debug, then repeats of info, then info." },

    { KEY(REDACT, "redact", "builtin"), LB_KEY_PHRASE, FIELD(lb_redact_config, builtin), .dflt = "all",
      .max = 512, .is_per_service = true, .off_means = "none of them",
      .help =
          "What is masked before a line is stored anywhere: names of rules, parted by blanks. all is all but "
          "ipv4 and ipv6, -name takes one away. Names: " LB_REDACT_NAMES "." },
    { KEY(REDACT, "redact", "rule NAME"), LB_KEY_RULES, FIELD(lb_redact_config, rule), .dflt = "",
      .example = "PIN \\d{4}", .is_per_service = true,
      .help =
          "What matches this pattern (PCRE2) is masked as well: under a name of yours, one key for each." },
    { KEY(REDACT, "redact", "replace NAME"), LB_KEY_RULES, FIELD(lb_redact_config, replace), .dflt = "",
      .example = "PIN ****", .is_per_service = true,
      .help = "What stands there instead; $1 is the first group of the rule of this name." },

    { KEY(RING, "ring", "size"), LB_KEY_SIZE, FIELD(lb_config, ring_bytes), .dflt = "4M", .min = 256 * KIB,
      .max = 256 * MIB, .reload = LB_RELOAD_RESTART, .off_never = "every record passes through it",
      .help = "RAM for records that wait for the first sink. At least three times the longest max_line." },
    { KEY(RING, "ring", "lock"), LB_KEY_BOOL, FIELD(lb_config, ring_lock), .dflt = "yes",
      .reload = LB_RELOAD_RESTART,
      .help = "Keep staging and ring out of swap, which may be on the card. Where that is not allowed, "
              "status says so." },
    { KEY(RING, "ring", "urgent"), LB_KEY_LEVEL, FIELD(lb_config, ring_urgent), .dflt = "warning",
      .help =
          "Records of this level and worse are urgent: they leave after urgent_wait and are given up last." },

    { KEY(HELD, "held", "size"), LB_KEY_SIZE, FIELD(lb_config, held_bytes), .dflt = "4M", .min = 256 * KIB,
      .max = 256 * MIB, .reload = LB_RELOAD_RESTART,
      .off_means = "what is throttled is dropped at once, and an error comes without its context",
      .off_value = 0,
      .help = "RAM for records that are throttled: the newest of each service stay, until an error asks for "
              "them." },

    { KEY(BACKLOG, "backlog", "size"), LB_KEY_SIZE, FIELD(lb_config, backlog_bytes), .dflt = "16M",
      .min = 256 * KIB, .max = 512 * MIB, .reload = LB_RELOAD_RESTART,
      .off_means = "while the sink is away, what the ring has no room for is given up, with receipts",
      .off_value = 0,
      .help = "RAM for what waits while the sink is away, compressed: about five times as much text." },
    { KEY(BACKLOG, "backlog", "segment"), LB_KEY_SIZE, FIELD(lb_config, backlog_segment_bytes),
      .dflt = "128K", .min = 64 * KIB, .max = 256 * KIB,
      .off_never = "records are packed together, or not at all",
      .help = "How much text is packed together. More packs better; less is looked through faster." },
    { KEY(BACKLOG, "backlog", "level"), LB_KEY_NUMBER, FIELD(lb_config, backlog_level), .dflt = "1", .min = 1,
      .max = 19, .unit = "zstd's level", .help = "How hard it is packed. 1 is nearly as good as any." },

    { KEY(NETWORK, "network", "quota"), LB_KEY_QUOTA, FIELD(lb_config, quota), .dflt = "off", .min = 64 * KIB,
      .max = 1024 * 1024 * MIB, .off_means = "no limit",
      .help =
          "Bytes that the agent may send in a day or a month, by UTC, with heads and what TLS adds: 50M/day, "
          "500M/month. It is spent evenly: what would run ahead of the time is sampled or held, errors last. "
          "After a start of the machine the part of the time that has gone by counts as spent." },
    { KEY(NETWORK, "network", "rate"), LB_KEY_RATE, FIELD(lb_config, link_bytes_per_day), .dflt = "off",
      .min = KIB * 86400, .max = RATE_MAX, .off_means = "no limit", .off_value = LB_OFF,
      .help = "Bytes a second on the link, all sinks together: 64K/s. Bodies are made small enough for it." },
    { KEY(NETWORK, "network", "metered"), LB_KEY_CHOICE, FIELD(lb_config, network_metered), .dflt = "auto",
      .choices = "auto|yes|no",
      .help =
          "Is the link one that costs by the byte, for sinks with when? auto: where the default route goes "
          "by a modem (wwan, ppp)." },

    { KEY(SPOOL, "spool", "enabled"), LB_KEY_BOOL, FIELD(lb_config, has_spool), .dflt = "yes",
      .reload = LB_RELOAD_RESTART,
      .help =
          "Keep on the card what RAM cannot hold while the sink is away. Nothing is written before that." },
    { KEY(SPOOL, "spool", "path"), LB_KEY_PATH, FIELD(lb_config, spool_path),
      .dflt = "/var/lib/logboom/spool.db", .reload = LB_RELOAD_RESTART,
      .help = "The file, a database of SQLite; made when there is something to write. Its directory must be "
              "there." },
    { KEY(SPOOL, "spool", "size"), LB_KEY_SIZE, FIELD(lb_config, spool_max_bytes), .dflt = "64M",
      .min = 2 * MIB, .max = 16384 * MIB, .reload = LB_RELOAD_RESTART,
      .off_never = "a card has an end; enabled = no turns the spool off", .help = "It grows no larger." },
    { KEY(SPOOL, "spool", "free_floor"), LB_KEY_PERCENT, FIELD(lb_config, spool_free_floor_percent),
      .dflt = "10%", .max = 90, .off_means = "the file system may be filled", .off_value = 0,
      .help = "Nor does it where less than this of its file system would be left free." },
    { KEY(SPOOL, "spool", "wear_budget"), LB_KEY_RATE, FIELD(lb_config, spool_wear_budget_bytes_per_day),
      .dflt = "20M/day", .min = MIB, .max = 4096 * MIB, .off_means = "nothing is spooled", .off_value = 0,
      .auto_means = "a twentieth of what the card can take in its life, by [wear]",
      .help =
          "The most that the spool writes to the card, counted as the card does, with all that SQLite and "
          "the file system add. What is not used of a day is there on the next." },
    { KEY(SPOOL, "spool", "stop_budget"), LB_KEY_SIZE, FIELD(lb_config, spool_stop_budget_bytes),
      .dflt = "4M", .max = 256 * MIB, .off_means = "nothing beyond wear_budget", .off_value = 0,
      .help = "What may be written beyond that when the system goes down, since RAM is lost then." },
    { KEY(SPOOL, "spool", "persist"), LB_KEY_LEVEL, FIELD(lb_config, spool_persist), .dflt = "critical",
      .off_means = "nothing is copied", .off_value = LB_OFF,
      .help =
          "Records of this level and worse, and a service's bad end, are copied to the card where the sink "
          "has not taken them in time: a power cut does not lose them." },
    { KEY(SPOOL, "spool", "persist_after"), LB_KEY_DURATION, FIELD(lb_config, spool_persist_after_ms),
      .dflt = "10s", .max = HOUR_MS, .off_never = "persist = off copies nothing; 0s does not wait",
      .help = "In time is within this." },
    { KEY(SPOOL, "spool", "persist_interval"), LB_KEY_DURATION, FIELD(lb_config, spool_persist_interval_ms),
      .dflt = "30s", .max = DAY_MS, .off_means = "no pause", .off_value = 0,
      .help = "The least time between two such copies. Each costs the card 50K, however small it is." },
    { KEY(SPOOL, "spool", "routine"), LB_KEY_BOOL, FIELD(lb_config, spool_routine), .dflt = "no",
      .help =
          "Spool routine records, too (see urgent in [ring]); else what RAM cannot hold of them is given up, "
          "and told in a receipt." },

    { KEY(WEAR, "wear", "endurance"), LB_KEY_SIZE, FIELD(lb_config, wear_endurance_bytes), .dflt = "auto",
      .min = 1024 * MIB, .max = 1024 * 1024 * 1024 * MIB, .off_never = "every card wears out",
      .auto_means = "250 times its capacity, for a card of unknown make",
      .help = "Bytes that may be written to the card in its life, as its maker says it: 30T." },
    { KEY(WEAR, "wear", "life"), LB_KEY_DURATION, FIELD(lb_config, wear_life_ms), .dflt = "5y",
      .min = 30 * DAY_MS, .max = 100 * 365 * DAY_MS, .off_never = "what the card can take is spread over it",
      .help = "How long the card is to last." },
    { KEY(WEAR, "wear", "devices"), LB_KEY_PHRASE, FIELD(lb_config, wear_devices), .dflt = "auto", .max = 255,
      .help =
          "The disks that are watched, as in /sys/block, parted by blanks; auto: all but those in RAM and "
          "those that lie on others." },
    { KEY(WEAR, "wear", "sample"), LB_KEY_DURATION, FIELD(lb_config, wear_sample_ms), .dflt = "60s",
      .min = SECOND_MS, .max = HOUR_MS, .off_means = "nobody looks", .off_value = 0,
      .help = "How often disks and processes are looked at. It costs the card nothing." },
    { KEY(WEAR, "wear", "alert"), LB_KEY_RATE, FIELD(lb_config, wear_alert_bytes_per_day), .dflt = "500M/h",
      .min = MIB, .max = 1024 * 1024 * 1024 * MIB, .off_means = "no alert", .off_value = LB_OFF,
      .help = "A disk that is written more than this in an hour is told, with the program to blame." },
    { KEY(WEAR, "wear", "program_alert"), LB_KEY_RATE, FIELD(lb_config, wear_program_alert_bytes_per_day),
      .dflt = "200M/h", .min = MIB, .max = 1024 * 1024 * 1024 * MIB, .off_means = "no alert",
      .off_value = LB_OFF, .help = "So is a program that writes more than this to flash." },
    { KEY(WEAR, "wear", "life_warn"), LB_KEY_DURATION, FIELD(lb_config, wear_life_warn_ms), .dflt = "1y",
      .max = 100 * 365 * DAY_MS, .off_means = "no alert", .off_value = 0,
      .help = "So is a disk that will not last this long at the rate of its last day." },
    { KEY(WEAR, "wear", "history"), LB_KEY_DURATION, FIELD(lb_config, wear_history_ms), .dflt = "24h",
      .min = HOUR_MS, .max = 31 * DAY_MS, .off_never = "it takes no more room for being longer",
      .help = "How much of the past logboom wear --report shows, in 144 steps. Another one begins anew." },

    { KEY(HEARTBEAT, "heartbeat", "interval"), LB_KEY_DURATION, FIELD(lb_config, heartbeat_ms), .dflt = "5m",
      .min = SECOND_MS, .max = 24 * HOUR_MS, .off_means = "no heartbeat", .off_value = 0,
      .help =
          "How often the agent tells that it lives, and how it is: with the next body that leaves anyway, "
          "or alone after silence." },

    { KEY(METRICS, "metrics", "listen"), LB_KEY_TEXT, FIELD(lb_config, metrics_listen), .dflt = "off",
      .off_means = "they are served nowhere",
      .help =
          "Where GET /metrics is answered, for Prometheus: unix:/run/logboom/metrics.sock, which the agent's "
          "user and group may read, or 127.0.0.1:9464 or [::1]:9464, which everybody on the device may. "
          "No other address is taken. A reload brings it into effect." },

#include "common/keys_remote.h"

    { KEY(SERVICE, "service", "tags"), LB_KEY_TEMPLATE, FIELD(lb_service_config, tags), .dflt = "",
      .help = "Tags of this service's records, beside those of [agent]." },
    { KEY(SERVICE, "service", "source"), LB_KEY_TEXT, FIELD(lb_service_config, source), .dflt = "python",
      .max = 128, .help = "The ddsource of its records, by which Datadog picks a pipeline." },

    { KEY(INPUT, "input", "type"), LB_KEY_WORD, FIELD(lb_input_config, type), .dflt = "", .example = "file",
      .choices = "file|journal", .is_required = true, .reload = LB_RELOAD_RESTART,
      .help = "Where lines come from: file follows files, journal reads what systemd's journal has." },
    { KEY(INPUT, "input", "path"), LB_KEY_PATH, FIELD(lb_input_config, path), .dflt = "",
      .example = "/run/nginx/*.log", .sink_type = "file", .reload = LB_RELOAD_RESTART,
      .help =
          "The files to follow, as in a shell: * ? [a-z]. One that is renamed is read to its end, one that "
          "is "
          "truncated is begun anew; what is packed (.gz .xz .zst .bz2 .lz4) is passed over. It needs one." },
    { KEY(INPUT, "input", "allow_flash"), LB_KEY_BOOL, FIELD(lb_input_config, allow_flash), .dflt = "no",
      .sink_type = "file", .reload = LB_RELOAD_RESTART,
      .help = "Follow files on flash, too. To read them is free, but whatever writes them wears the card: "
              "better let "
              "it write to tmpfs, or to a pipe." },
    { KEY(INPUT, "input", "start"), LB_KEY_CHOICE, FIELD(lb_input_config, start), .dflt = "end",
      .choices = "end|begin", .reload = LB_RELOAD_RESTART,
      .help =
          "Where to begin in what was there before this input was first read since boot. What comes later is "
          "read from its begin." },
    { KEY(INPUT, "input", "units"), LB_KEY_TEMPLATE, FIELD(lb_input_config, units), .dflt = "",
      .sink_type = "journal", .reload = LB_RELOAD_RESTART,
      .help = "The units to read, parted by blanks, as in a shell: * ? [a-z]. Without it: all but logboom's "
              "own." },
    { KEY(INPUT, "input", "service"), LB_KEY_TEXT, FIELD(lb_input_config, service), .dflt = "",
      .max = LB_NAME_MAX, .reload = LB_RELOAD_RESTART,
      .help =
          "The service of its records. Without it: the input's name, or for a journal each entry's unit." },
    { KEY(INPUT, "input", "tags"), LB_KEY_TEMPLATE, FIELD(lb_input_config, tags), .dflt = "",
      .reload = LB_RELOAD_RESTART,
      .help = "Tags of its records, beside those of [agent] and of the service." },

#include "common/keys_sink.h"
};

static const struct lb_key_section_info sections[LB_SECTION_COUNT] = {
    [LB_SECTION_AGENT] = { "agent", NULL, false, "Who this device is, and where the agent lives." },
    [LB_SECTION_LOG] = { "log", NULL, false, "What logboomd says about itself." },
    [LB_SECTION_CAPTURE] = { "capture", NULL, false,
                             "How lines are read from the apps. A [service NAME] may set most of these for "
                             "itself." },
    [LB_SECTION_THROTTLE] = { "throttle", NULL, false,
                              "What a service may send. What is beyond is held in RAM, summed up once a "
                              "minute, "
                              "and sent when an error makes it worth knowing. A [service NAME] may set these "
                              "for itself." },
    [LB_SECTION_REDACT] = { "redact", NULL, false,
                            "What never leaves the device, and is not stored on it. A [service NAME] may set "
                            "these for itself." },
    [LB_SECTION_HELD] = { "held", NULL, false, "The flight recorder: what was not sent, for a while." },
    [LB_SECTION_BACKLOG] = { "backlog", NULL, false, "What waits in RAM while the first sink is away." },
    [LB_SECTION_NETWORK] = { "network", NULL, false, "What the link may carry." },
    [LB_SECTION_SPOOL] = { "spool", NULL, false,
                           "The last resort while the first sink is away: a file on the card, under a "
                           "budget." },
    [LB_SECTION_WEAR] = { "wear", NULL, false,
                          "Who wears the card, what it can take, and when to speak up." },
    [LB_SECTION_HEARTBEAT] = { "heartbeat", NULL, false, "A sign of life." },
    [LB_SECTION_RING] = { "ring", NULL, false,
                          "The queue between the apps and the first sink: a file in RAM, which "
                          "outlives the agent." },
    [LB_SECTION_METRICS] = { "metrics", NULL, false, "The numbers of logboom status, for Prometheus." },
    [LB_SECTION_REMOTE] = { "remote", NULL, false, "What may be asked of the agent from afar." },
    [LB_SECTION_SERVICE] = { "service", "checkout", true,
                             "One service, by the name that -s gave it (or its systemd unit, or its "
                             "program). Repeat the section for each; "
                             "a service without one has the defaults." },
    [LB_SECTION_INPUT] = { "input", "nginx", true,
                           "Lines that nobody pipes: files, best on tmpfs, or systemd's journal. Repeat the "
                           "section "
                           "for each." },
    [LB_SECTION_SINK] = { "sink", "datadog", false,
                          "Where the records go: up to four sinks, each under a name of yours. The first of "
                          "them that is primary and takes all is served by [ring], [backlog] and [spool]; "
                          "each of the others has a queue of its own." },
};
/* clang-format on */

#define KEY_COUNT (sizeof keys / sizeof keys[0])
_Static_assert(KEY_COUNT <= LB_CONFIG_KEYS_MAX, "a section notes where each key was set");

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
