// Owns the line beside a button that says what came of it.

export async function report(outcome, action) {
  try {
    outcome.textContent = await action();
  } catch (error) {
    outcome.textContent = `That did not work: ${error.message}.`;
  }
}
