/** How a person gets the credentials of a calling number. */
export const guide = `
1. Sign in at console.twilio.com. On the first page copy the **Account SID** (it begins with AC) and the **Auth token**.
2. Choose the **calling number**: one you bought with the capability *Voice*, or a number of yours that you verified
   there as caller ID.
3. *Voice → Settings → Geo permissions*: switch on the countries you call. Others are refused.
4. Save the connection and press **Test**. You should see the account's name and *active*.

A call is *delivered* when it was answered and the words were spoken to the end; an answering machine counts. When the line
is busy or nobody answers, the call is made again after a while. Outcomes are reported to the address each call names,
which must be reachable from outside.

**Voice and language.** Leave both out for the standard voice. A language is written with its region (\`en-GB\`, \`pt-BR\`);
voices are named as in Twilio's list, such as \`Polly.Joanna\`.

**Pace.** A new account starts one call a second; more are put in a queue.
`.trim();
