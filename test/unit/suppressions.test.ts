/** The words by which people say that they do not want to be written to, or do again, or ask who it is. */
import { describe, expect, it } from 'vitest';
import { wordIn } from '../../src/features/suppressions/words.ts';

describe('a word that is the whole message', () => {
  it.each([
    ...['STOP', 'stop', ' Stop. ', 'STOP!!', '“Stop”', 'ＳＴＯＰ', 'STOP 🛑', 'stop\n', 'STOPALL', 'Stop All'],
    ...['Unsubscribe', 'cancel', 'END', 'quit', 'REVOKE', 'OptOut', 'opt-out', 'opt out'],
    ...['BERHENTI', 'Unreg', 'Berhenti berlangganan', 'Baja', 'darme de baja', 'Cancelar suscripción', 'Arrêt'],
    ...['se désabonner', 'Désinscription', 'Stopp', 'Abmelden', 'PARAR', 'Sair', 'cancelar inscrição', 'annulla'],
    ...['Afmelden', 'İPTAL', 'IPTAL', 'ıptal', 'Dur', 'RET', 'abonelikten çık', 'إيقاف', 'ايقاف', 'إلغاء الاشتراك'],
    ...['توقف', 'रोकें', 'बंद करें।', '停止', '配信停止。', '退订', '수신거부', 'СТОП', 'Lopeta'],
  ])('%j is STOP', (text) => expect(wordIn(text)).toBe('stop'));
  it.each([
    'START',
    'yes',
    'Unstop',
    'Mulai',
    'Iniciar',
    'Démarrer',
    'Başla',
    'ابدأ',
    'शुरू करें',
    '再開',
    'старт',
  ])('%j is START', (text) => expect(wordIn(text)).toBe('start'));
  it.each([
    'HELP',
    'info?',
    'Ayuda',
    'aide',
    'HILFE',
    'Bantuan',
    'Yardım',
    'مساعدة',
    'मदद',
    'ヘルプ',
  ])('%j is HELP', (text) => expect(wordIn(text)).toBe('help'));
});

it.each([
  '',
  '!!!',
  'Please stop calling me Bob',
  'Where is the bus stop?',
  'non-stop',
  'Yes, at nine',
  'help me with my order',
  'stop'.repeat(20),
])('%j is a message like any other', (text) => expect(wordIn(text)).toBeUndefined());
