/** How a person gets the credentials of a WhatsApp number. */
export const guide = `
You need a Meta business account, a WhatsApp Business account in it, and a phone number that no WhatsApp app uses.

1. At developers.facebook.com create an app of the type **Business** and add the product **WhatsApp** to it.
2. Under **WhatsApp → API Setup** choose or add the number. Copy its **Phone number ID** and the
   **WhatsApp Business account ID** (long numbers, not the telephone number).
3. In Business settings create a **system user**, give it your app and your WhatsApp account, and generate a token with
   \`whatsapp_business_messaging\` and \`whatsapp_business_management\`, without an expiry. This is the **access token**.
   The token shown on the API Setup page dies after a day.
4. Under **App settings → Basic** copy the **app secret**. It proves that callbacks come from Meta.
5. Make up a **verify token**: any long random text. Save the connection here.
6. Under **WhatsApp → Configuration** paste the callback address shown on this connection, type the same verify token,
   press *Verify and save*, and subscribe to the field **messages**. Without it nothing ever becomes *delivered*, and nothing
   that people write comes in. Subscribe to \`message_template_status_update\`, \`message_template_quality_update\`,
   \`template_category_update\`, \`account_update\`, \`account_alerts\`, \`phone_number_quality_update\`,
   \`phone_number_name_update\` and \`user_preferences\` too, to hear when a template is paused, the number is restricted, or
   somebody wants no more marketing.
7. Press **Test** here. You should see your number and its quality.

**Templates.** A first message must be a template that Meta has approved (WhatsApp Manager → Message templates). Write the
same text here as the template's \`definition\`, with your own variable names, and the numbered parameters are filled for
you. Free text is possible for 24 hours after each message from the person.

**A number that stays in the WhatsApp Business app.** Subscribe to \`history\` and \`smb_message_echoes\` as well: what is
written on the telephone, and what was written before, is kept with the rest and wakes nobody.

**If it fails.** *Number not registered*: register it on the API Setup page. *Payment problem*: add a card in Meta's
billing settings. *Nothing is delivered though everything is accepted*: step 6 is missing, or the app is still in
development mode and the person is not on its list of test numbers.
`.trim();
