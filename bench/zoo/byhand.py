def models(): return []
