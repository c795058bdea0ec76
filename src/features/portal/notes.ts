/** What a page says after something was done. A closed list: an address cannot make the portal say anything else. */
interface Note {
  readonly kind: 'good' | 'bad';
  readonly text: string;
}
const good = (text: string): Note => ({ kind: 'good', text });
const bad = (text: string): Note => ({ kind: 'bad', text });

export const NOTES = {
  signed_out: good('You are signed out.'),
  key_saved: good('The key is changed. Every process follows within five seconds.'),
  key_revoked: good('The key is revoked. Calls that carry it are refused from now on.'),
  key_gone: bad('A key is shown once only, and this page has shown it. Create or rotate a key to get a new one.'),
  connection_added: good('The connection is saved. Press Test to see whether its credentials work.'),
  connection_saved: good('The connection is saved.'),
  connection_default: good('New messages of this channel now use this connection.'),
  connection_removed: good('The connection is removed. Its credentials can no longer be used.'),
  connection_ok: good('The test passed: the provider accepts these credentials.'),
  connection_failed: bad('The test failed. The reason stands beside the connection.'),
  webhook_saved: good(
    'The webhook is saved. What was made of events before keeps its text and goes to the new address.',
  ),
  webhook_paused: good('Paused. Its events wait, and nothing is lost.'),
  webhook_resumed: good('It is called again. What has waited goes out in its order.'),
  webhook_heard: good('Your server has taken the test. This is what was sent, and what it answered.'),
  webhook_unheard: bad('Your server has not taken the test. What it answered stands below, with what to do.'),
  webhook_archived: good('The webhook is archived. Nothing more is sent to it; the log of what was sent stays.'),
  secret_gone: bad('A secret is shown once only, and this page has shown it. Rotate the secret to get a new one.'),
  replayed_one: good('It is on its way again, with the same id and the same bytes. This is the new delivery.'),
  replayed: good('They are on their way again, each with the same id and the same bytes as the first time.'),
  replayed_part: good('The first hundred thousand are on their way again. Press the button once more for the rest.'),
  replayed_none: bad('There was nothing to send again in this time.'),
  template_saved: good('Saved as a new version. It is a draft: nothing is sent with it until you activate it.'),
  template_activated: good('This version is now active: new messages use it.'),
  rollout_saved: good('Saved. Messages from now on are shared out like this.'),
  rolled_back: good('Rolled back. New messages use the version before; those already accepted keep theirs.'),
  template_removed: good('The template is archived. Messages already sent keep their text.'),
  campaign_sent: good('The campaign is accepted. This page follows it; you may close it, and nothing stops.'),
  campaign_sending: bad('This campaign is being stored by another press of the button. Look again in a moment.'),
  campaign_paused: good('Paused. What is under way finishes; nothing more begins.'),
  campaign_resumed: good('It goes on with what is left.'),
  campaign_cancelled: good('Cancelled. What has not begun will not be sent.'),
  campaign_moved_on: bad('The campaign had moved on before the button was pressed. This is how it stands now.'),
  draft_discarded: good('The draft and its file are deleted.'),
  draft_timed: good('The time is saved.'),
  cancelled: good('Cancelled. What had not been handed over yet will not be sent.'),
  retried: good('Accepted again, as a new notification. This is it.'),
  played: good('Done. The answer came back through the same signed door a provider uses.'),
  mode_live: good('You are looking at live data now. What you send from here reaches people.'),
  mode_test: good('You are looking at test data now. Nothing leaves this machine.'),
  link_used: bad(
    'This sign-in link was used already, or is too old. Ask for a new one, or sign in with your password.',
  ),
  reset_asked: good(
    'If there is an account with that address, a letter with a link is on its way to it. The link works for 30 minutes.',
  ),
  password_set: good('Your new password is set. Every other browser is signed out.'),
  confirmed: good('The address is confirmed.'),
  confirm_sent: good('The link is on its way. It works for 24 hours.'),
  confirm_wait: bad(
    'The link was sent three times already. Look into the spam folder, or ask again in a quarter of an hour.',
  ),
  settings_saved: good('Saved.'),
  erased: good('The person is erased. What still waited for them is never sent.'),
  erasing: good('What is found by the address is erased; the rest of the history is gone through in the background.'),
  signed_out_everywhere: good('Every browser is signed out, this one too.'),
  only_test: bad('The outbox belongs to test mode. Switch to test to see it.'),
} as const satisfies Record<string, Note>;
