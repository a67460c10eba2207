/** There is no stream, or it ended before its time; `cause` is what the service said of it. */
export class StreamError extends Error {
  override name = "StreamError";
}

/**
 * The events of an answer as they come. Ask with `parseAs: "stream"` and hand over `data`:
 * the stream is let go of when the loop over its events is left.
 */
export async function* events<Event = unknown>(
  stream: ReadableStream<Uint8Array> | null | undefined,
): AsyncGenerator<Event, void, undefined> {
  if (!stream) throw new StreamError("there is no stream");
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new StreamError("the stream ended in the middle");
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const written of lines) {
        const line = written.replace(/\r$/, "");
        if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
        if (line !== "" || data.length === 0) continue;
        const text = data.join("\n");
        data = [];
        if (text === "[DONE]") return;
        yield checked<Event>(JSON.parse(text));
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function checked<Event>(event: Event | { error: { message?: string } }): Event {
  if (typeof event === "object" && event !== null && "error" in event) {
    throw new StreamError(event.error.message ?? "the service failed", { cause: event.error });
  }
  return event as Event;
}
