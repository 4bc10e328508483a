// Acknowledging an alarm: says who has it. It never hides anything.

// acknowledge asks the server and gives the alarm as it stands then. Its error
// says in words what went wrong.
export async function acknowledge(id, note = '') {
  let answer;
  try {
    answer = await fetch(`/api/v1/alarms/${encodeURIComponent(id)}/ack`, {
      method: 'POST',
      headers: {'Content-Type': 'application/json', Accept: 'application/json'},
      body: JSON.stringify({note}),
      signal: AbortSignal.timeout(8000),
    });
  } catch {
    throw new Error('Not acknowledged: the server does not answer. Try again.');
  }
  const body = await answer.json().catch(() => null);
  if (answer.ok) return body;
  if (answer.status === 401 || answer.status === 403) throw new Error('Not acknowledged: you may look, but not acknowledge.');
  throw new Error(`Not acknowledged: ${body?.detail || body?.title || `the server answered ${answer.status}`}.`);
}
