// Blocks of data in the page: base64 text that is taken out once, so that it is not kept twice.

export function takeBytes(id) {
  const element = document.getElementById(id);
  const text = element.textContent.trim();
  element.remove();
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

export function takeText(id) {
  return new TextDecoder().decode(takeBytes(id));
}
