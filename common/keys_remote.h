/* SPDX-License-Identifier: MIT */
/* The rows of [remote], included by the key table (keys.c) where they belong in it, as keys_sink.h is. */

/* A row reads as a paragraph. */
/* clang-format off */
    { KEY(REMOTE, "remote", "enabled"), LB_KEY_BOOL, FIELD(lb_config, has_remote), .dflt = "no",
      .help = "Take commands from the broker of the [sink] of type mqtt. The agent then keeps the connection when it has "
              "nothing to send. Whoever may publish to command_topic can do what commands names, and nothing else: no path, "
              "no shell, no configuration is within reach. A command is one JSON object: "
              "{\"id\":\"7\",\"command\":\"level\",\"service\":\"checkout\",\"level\":\"debug\",\"for\":\"10m\"}." },
    { KEY(REMOTE, "remote", "command_topic"), LB_KEY_TEMPLATE, FIELD(lb_config, remote_command_topic),
      .dflt = "logs/{host}/command", .example = "logs/{host}/command",
      .help = "Where commands are published, with QoS 1 and not retained. {host} is [agent] hostname. Expands what hostname "
              "expands. Let the broker's ACL say who may." },
    { KEY(REMOTE, "remote", "reply_topic"), LB_KEY_TEMPLATE, FIELD(lb_config, remote_reply_topic),
      .dflt = "logs/{host}/reply", .example = "logs/{host}/reply",
      .help = "Where each is answered: what became of it, or why it was refused. No command chooses another topic." },
    { KEY(REMOTE, "remote", "commands"), LB_KEY_PHRASE, FIELD(lb_config, remote_commands),
      .dflt = "context level status wear", .max = 64,
      .help = "Those that are taken, parted by blanks: context sends what is held of a service, level sets its min_level for "
              "a while, status and wear answer as logboom status --json and logboom wear --json." },
    { KEY(REMOTE, "remote", "max_for"), LB_KEY_DURATION, FIELD(lb_config, remote_max_for_ms), .dflt = "24h",
      .min = SECOND_MS, .max = 7 * DAY_MS, .off_never = "a level that nobody takes back would cost the data plan for ever",
      .help = "The longest that a level may ask for. It is over sooner when the agent stops." },
    { KEY(REMOTE, "remote", "rate"), LB_KEY_RATE, FIELD(lb_config, remote_rate_per_day), .dflt = "6/min",
      .min = 1, .max = 100 * 86400, .off_never = "each command costs the data plan an answer and a record",
      .help = "Commands that are taken, on average, with five at once. What is beyond is refused; it is answered and told "
              "at the same rate, and beyond that only counted." },
