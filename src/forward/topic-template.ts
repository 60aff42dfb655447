import { WeirError } from "../model/errors.js";

/** What a topic may be made of. */
export interface TopicValues {
  readonly site: string;
  readonly gateway: string;
  /** Id of the profile, without its version. */
  readonly profile: string;
  readonly device: string;
  /** Name of the window. */
  readonly window: string;
}

/** For the topic of a summary. */
export const SUMMARY_PLACEHOLDERS = ["site", "gateway", "profile", "device", "window"] as const;
/** For the status topic, which is the gateway's. */
export const STATUS_PLACEHOLDERS = ["site", "gateway"] as const;

/** MQTT 3.1.1, section 1.5.3: a string's length is two bytes. */
const TOPIC_BYTES_MAX = 65_535;
/** Room for values, which can grow threefold when they are encoded. */
const TEMPLATE_CHARACTERS_MAX = 1_024;
const PLACEHOLDER = /\{([^{}]*)\}/g;

/** @returns what is wrong with a topic template, or undefined */
export function validateTopicTemplate(
  template: string,
  placeholders: readonly string[] = SUMMARY_PLACEHOLDERS,
): string | undefined {
  if (template === "") return "a topic is not empty";
  if (template.length > TEMPLATE_CHARACTERS_MAX) {
    return `a topic template has at most ${TEMPLATE_CHARACTERS_MAX} characters`;
  }
  for (const [, name] of template.matchAll(PLACEHOLDER)) {
    if (name !== undefined && !placeholders.includes(name)) {
      return `{${name}} is not a placeholder here; there are ${placeholders.map((p) => `{${p}}`).join(" ")}`;
    }
  }
  const literal = template.replace(PLACEHOLDER, "");
  if (/[{}]/.test(literal)) return "a brace has no partner";
  if (/[+#]/.test(literal)) return "a topic to publish to has no wildcard (+ or #)";
  if (literal.includes("\0")) return "a topic has no NUL character";
  if (template.startsWith("$")) return "topics that begin with $ belong to the broker";
  return undefined;
}

/**
 * A function from values to topics. In a value, `/`, `+`, `#`, `%`, and control characters are percent-encoded, so
 * that a device's name can neither add a level nor be taken for another's; an empty value leaves an empty level.
 */
export function compileTopic(
  template: string,
  placeholders: readonly string[] = SUMMARY_PLACEHOLDERS,
): (values: Partial<TopicValues>) => string {
  const problem = validateTopicTemplate(template, placeholders);
  if (problem !== undefined) throw new WeirError("bad-topic", `topic "${template}": ${problem}`);
  return (values) => {
    const topic = template.replace(PLACEHOLDER, (_, name: keyof TopicValues) =>
      encodeLevel(values[name] ?? ""),
    );
    // A leading $ can only come from a value here, and would make the topic the broker's own.
    return topic.startsWith("$") ? `%24${topic.slice(1)}` : topic;
  };
}

/** Whether MQTT can carry the topic at all. */
export function topicFits(topic: string): boolean {
  return Buffer.byteLength(topic) <= TOPIC_BYTES_MAX;
}

function encodeLevel(value: string): string {
  // MQTT 3.1.1, section 1.5.3: no NUL, no lone surrogates, and better no control characters.
  return value.replace(/[/+#%\p{Cc}\p{Cs}]/gu, (found) => {
    const bytes = Buffer.from(found);
    return [...bytes].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("");
  });
}
